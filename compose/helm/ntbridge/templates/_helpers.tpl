{{- define "ntbridge.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "ntbridge.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "ntbridge.labels" -}}
app.kubernetes.io/part-of: ntbridge
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* What all pods of the image have in common. Services must not set variables: NTBRIDGE_PORT would be an unknown setting. */}}
{{- define "ntbridge.pod" -}}
enableServiceLinks: false
automountServiceAccountToken: false
terminationGracePeriodSeconds: 30
{{- with .Values.serviceAccount }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "ntbridge.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
{{- end -}}

{{- define "ntbridge.container" -}}
image: {{ include "ntbridge.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{- define "ntbridge.probes" -}}
ports: [{name: http, containerPort: 9464}]
# Only liveness: the program waits for a server that is down, and a restart would not help.
livenessProbe: {httpGet: {path: /livez, port: http}, periodSeconds: 10, timeoutSeconds: 3}
readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 5, timeoutSeconds: 5}
startupProbe: {httpGet: {path: /livez, port: http}, periodSeconds: 2, failureThreshold: 30}
{{- end -}}

{{- define "ntbridge.temporal" -}}
- {name: TEMPORAL_HOST, value: {{ .Values.temporal.host | quote }}}
- {name: TEMPORAL_NAMESPACE, value: {{ .Values.temporal.namespace | quote }}}
{{- if .Values.secrets.ca }}
- {name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /run/secrets/ca/ca.crt}
{{- end }}
{{- end -}}

{{/* The variables of the migration, the daemons and the console: a list of the root and the further settings. */}}
{{- define "ntbridge.settings" -}}
{{- $settings := index . 1 -}}
{{- with index . 0 -}}
{{ include "ntbridge.temporal" . }}
- {name: DATABASE_URL_FILE, value: /run/secrets/ntbridge/database-url}
{{- if .Values.nats.url }}
- {name: NATS_URL, value: {{ .Values.nats.url | quote }}}
{{- else }}
- {name: NATS_URL_FILE, value: /run/secrets/ntbridge/nats-url}
{{- end }}
{{- if .Values.secrets.ca }}
- {name: NTBRIDGE_NATS__TLS_CA, value: /run/secrets/ca/ca.crt}
{{- end }}
- {name: NTBRIDGE_LOG__FORMAT, value: json}
{{- range $name, $value := $settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Where large payloads are: a list of the root and the beginning of the program's variables. */}}
{{- define "ntbridge.payloads" -}}
{{- $prefix := index . 1 -}}
{{- with index . 0 -}}
{{- if .Values.payloads.store -}}
- {name: {{ $prefix }}__STORE, value: {{ .Values.payloads.store | quote }}}
{{- with .Values.payloads.threshold }}
- {name: {{ $prefix }}__THRESHOLD, value: {{ . | quote }}}
{{- end }}
{{- with .Values.payloads.endpoint }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- with .Values.payloads.region }}
- {name: AWS_REGION, value: {{ . | quote }}}
{{- end }}
{{- with .Values.secrets.objectStore }}
- {name: AWS_ACCESS_KEY_ID, valueFrom: {secretKeyRef: {name: {{ . }}, key: AWS_ACCESS_KEY_ID}}}
- {name: AWS_SECRET_ACCESS_KEY, valueFrom: {secretKeyRef: {name: {{ . }}, key: AWS_SECRET_ACCESS_KEY}}}
{{- end }}
{{- if and .Values.payloads.privateCA .Values.secrets.ca }}
# Who signed the object store's certificate.
- {name: SSL_CERT_FILE, value: /run/secrets/ca/ca.crt}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ntbridge.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.secrets.ca }}
- {name: ca, mountPath: /run/secrets/ca, readOnly: true}
{{- end }}
{{- end -}}

{{- define "ntbridge.volumes" -}}
- {name: tmp, emptyDir: {}}
{{- if .Values.secrets.ca }}
- {name: ca, secret: {secretName: {{ .Values.secrets.ca }}, defaultMode: 288}}
{{- end }}
{{- end -}}

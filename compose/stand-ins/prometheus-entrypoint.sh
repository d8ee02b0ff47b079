#!/bin/bash
# Stand-in for the entry point: Debian's Prometheus is older and cannot reload its configuration by itself.
kept=()
for each; do
  case $each in --enable-feature=auto-reload-config | --config.auto-reload-interval=*) ;; *) kept+=("$each") ;; esac
done
exec /bin/prometheus "${kept[@]}"

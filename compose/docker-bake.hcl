# The image for several architectures, with a bill of materials and its provenance attached:
#
#   docker buildx bake -f compose/docker-bake.hcl --set release.tags=registry.example/nats-temporal-bridge:0.1.0 --push
#
# Run it in a checkout, or in the unpacked source distribution.
variable "VERSION" {
  default = "0.1.0"
}

group "default" {
  targets = ["release"]
}

target "release" {
  context    = "."
  dockerfile = "compose/Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  tags       = ["nats-temporal-bridge:${VERSION}"]
  attest     = ["type=sbom", "type=provenance,mode=max"]
  labels = {
    "org.opencontainers.image.version" = "${VERSION}"
  }
}

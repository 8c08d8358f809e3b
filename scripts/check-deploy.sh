#!/usr/bin/env bash
# Checks the files in deploy/ by the tools that will read them.
#
#   scripts/check-deploy.sh [kubernetes] [compose] [systemd] [prometheus]      all when none is named
#
#   kubernetes  kustomize builds base and overlays; what comes out fits the schemas of the Kubernetes API
#               and of the Prometheus operator
#   compose     Compose's own loader takes the files, alone and on top of each other
#   systemd     systemd-analyze verifies the unit; its exposure is at most 1.5 of 10
#   prometheus  promtool takes the configuration
#
# The tools come from PyPI and from Go's proxy, at fixed versions, into build/deploy-tools: this needs a
# network, python3 with venv, and go. `make test` does not; what it holds these files to is in
# tests/integration/test_deploy.py. A tool that Debian has and that is not installed (systemd-analyze,
# promtool) is said to be missing, and is an error only if its check was asked for by name.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$PWD/build/deploy-tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kubernetes_version=1.31

fail() {
  echo "check-deploy.sh: $*" >&2
  exit 1
}

# go_tool NAME PACKAGE@VERSION: builds it unless it is there.
go_tool() {
  [[ -x "$tools/go/$1" ]] && return
  command -v go >/dev/null || fail "needs go to build $2"
  echo "Building $2"
  mkdir -p "$tools/go"
  GOPATH="$tools/gopath" GOBIN="$work/gobin" GOFLAGS=-modcacherw go install "$2"
  mv "$work/gobin"/* "$tools/go/$1"  # the one program
}

python_tools() {
  [[ -x "$tools/python/bin/kubernetes-validate" ]] && return
  python3 -m venv "$tools/python"
  "$tools/python/bin/pip" install --quiet kubernetes-validate==1.35.0 jsonschema PyYAML
}

# The folder with the Prometheus operator's definitions of its own kinds.
operator_schemas() {
  GOPATH="$tools/gopath" GOFLAGS=-modcacherw go mod download -json \
    github.com/prometheus-operator/prometheus-operator@v0.85.0 |
    sed -nE 's/^\s*"Dir": "(.*)",/\1\/example\/prometheus-operator-crd/p'
}

# check_custom MANIFEST SCHEMAS: kinds that are not Kubernetes' own, by their definitions.
check_custom() {
  "$tools/python/bin/python" - "$1" "$2" <<'PYTHON'
import pathlib, sys
import jsonschema, yaml

manifest, schemas = sys.argv[1:]
for resource in yaml.safe_load_all(pathlib.Path(manifest).read_text()):
    version = resource["apiVersion"].split("/")[-1]
    name = f"monitoring.coreos.com_{resource['kind'].lower()}s.yaml"
    definition = yaml.safe_load((pathlib.Path(schemas) / name).read_text())
    (schema,) = [v["schema"]["openAPIV3Schema"] for v in definition["spec"]["versions"]
                 if v["name"] == version]
    unknown = resource["spec"].keys() - schema["properties"]["spec"]["properties"].keys()
    if unknown:
        sys.exit(f"{manifest}: {resource['kind']} knows no {', '.join(sorted(unknown))}")
    jsonschema.validate(resource, schema)
    print(f"INFO {resource['kind']} {resource['metadata']['name']} fits its definition")
PYTHON
}

check_kubernetes() {
  go_tool kustomize sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
  python_tools
  local folder=deploy/kubernetes built overlay
  for built in base overlays/secured; do
    "$tools/go/kustomize" build "$folder/$built" >"$work/built.yaml"
    "$tools/python/bin/kubernetes-validate" --strict -k "$kubernetes_version" "$work/built.yaml"
  done
  # Every component on top of the base, as an overlay would have it.
  overlay=$work/overlay
  mkdir "$overlay"
  cp -r "$folder" "$work/kubernetes"
  cat >"$overlay/kustomization.yaml" <<'OVERLAY'
resources: [../kubernetes/base]
components: [../kubernetes/components/monitoring, ../kubernetes/components/network-policy]
OVERLAY
  "$tools/go/kustomize" build "$overlay" >"$work/built.yaml"
  check_custom "$folder/components/monitoring/podmonitor.yaml" "$(operator_schemas)"
  echo "kubernetes: ok"
}

check_compose() {
  go_tool compose github.com/compose-spec/compose-go/v2/cmd@v2.16.2
  local folder=deploy/compose
  "$tools/go/compose" $folder/docker-compose.yaml >/dev/null
  "$tools/go/compose" $folder/docker-compose.yaml $folder/docker-compose.secured.yaml >/dev/null
  echo "compose: ok"
}

check_systemd() {
  local unit=$work/units/waldend.service
  mkdir -p "$unit.d" "$work/bin"
  cp deploy/systemd/tls.conf "$unit.d/"
  # verify wants the programs to be there, and this machine need not have Walden installed.
  sed "s|/usr/local/bin/waldend|/bin/true|" deploy/systemd/waldend.service >"$unit"
  systemd-analyze verify --man=no "$unit" 2>&1 | tee "$work/verify"
  [[ ! -s "$work/verify" ]] || fail "systemd-analyze verify finds fault with deploy/systemd"
  systemd-analyze security --offline=yes --threshold=15 --no-pager "$unit" | tail -1
  echo "systemd: ok"
}

check_prometheus() {
  mkdir "$work/prometheus"
  # As docker-compose.yaml mounts them.
  sed "s|/etc/prometheus/|$PWD/deploy/prometheus/|" deploy/compose/prometheus/prometheus.yaml \
    >"$work/prometheus/prometheus.yaml"
  promtool check config "$work/prometheus/prometheus.yaml"
  echo "prometheus: ok"
}

# What Debian has and this script does not fetch.
declare -A needed=([systemd]=systemd-analyze [prometheus]=promtool)

asked=("$@")
[[ ${#asked[@]} -gt 0 ]] || asked=(kubernetes compose systemd prometheus)
for check in "${asked[@]}"; do
  case "$check" in
    kubernetes | compose | systemd | prometheus) ;;
    *)
      echo "check-deploy.sh: unknown check '$check'; checks are kubernetes, compose, systemd and prometheus" >&2
      exit 2
      ;;
  esac
  tool=${needed[$check]:-}
  if [[ -n "$tool" ]] && ! command -v "$tool" >/dev/null; then
    [[ $# -eq 0 ]] || fail "$check needs $tool"
    echo "$check: not checked, $tool is not installed"
    continue
  fi
  "check_$check"
done

#!/usr/bin/env bash
# The main job, start to end, against the cluster of KUBECONFIG. `make demo` runs this
# on a control plane of its own; it needs kubectl and the vaultferry command.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
folder=$(mktemp -d)
root=$PWD
processes=()

finish() {
  code=$?
  for process in "${processes[@]}"; do kill "$process" 2>/dev/null && wait "$process" || true; done
  [ "$code" = 0 ] || { echo "the demo failed; the logs end with:" >&2; tail -n 5 "$folder"/*.log >&2 || true; }
  cd / && rm -rf "$folder"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

bold= dim= plain=
if [ -t 1 ]; then bold=$(printf "\033[1m") dim=$(printf "\033[2m") plain=$(printf "\033[0m"); fi
say() { printf "\n%s== %s%s\n" "$bold" "$*" "$plain"; }
announce() { printf "%s$ %s%s\n" "$dim" "$*" "$plain"; }
show() { announce "$*"; "$@"; }

# wait_until SECONDS COMMAND…: until the command succeeds.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || { echo "gave up waiting for: $*" >&2; return 1; }
    sleep 0.2
  done
}
# as_account NAME: write the kubeconfig of a service account, and print its path.
as_account() {
  local path=$folder/$1.kubeconfig token
  (umask 077 && kubectl config view --raw --minify > "$path")
  token=$(kubectl -n vaultferry-system create token "$1")
  kubectl --kubeconfig "$path" config set-credentials "$1" --token="$token" >/dev/null
  kubectl --kubeconfig "$path" config set-context --current --user="$1" >/dev/null
  echo "$path"
}
is_refused() { ! kubectl apply --dry-run=server -f "$1"; }
is_gone() { ! kubectl -n shop get secret "$1"; }
has_keys() { [ "$(keys "$1")" = "$2" ]; }
keys() { kubectl -n shop get secret "$1" -o go-template='{{range $key, $_ := .data}}{{$key}} {{end}}'; }

say "Install: the CRDs, and the operator's own service account and rights"
show kubectl apply -f crds
show kubectl apply -f deploy/base/namespace.yaml -f deploy/base/serviceaccount.yaml -f deploy/base/rbac.yaml -f deploy/base/publickeys.yaml
# By itself it fails for a CRD that has no conditions yet.
wait_until 60 kubectl wait --for=condition=Established crd/vaultsecrets.vaultferry.dev crd/vaultconnections.vaultferry.dev
show kubectl create namespace shop

say "Make a root key, and start the operator under that service account"
(umask 077 && vaultferry keygen > "$folder/root-key")
export ENCRYPTION_KEY_FILE=$folder/root-key
KUBECONFIG=$(as_account vaultferry) vaultferry run --port 0 --vault-address 'https://127.0.0.1:*' 2> "$folder/operator.log" &
processes+=($!)
wait_until 30 grep -q started "$folder/operator.log"

say "Seal the examples with the public key: whoever can seal cannot open"
cp -r examples "$folder"
cd "$folder"
announce "vaultferry public-key > vaultferry.pub"
vaultferry public-key > vaultferry.pub
cat vaultferry.pub
seal() { # NAME TYPE: every file of examples/NAME is a field
  local command=(vaultferry seal --public-key vaultferry.pub --namespace shop --name "$1" --type "$2") file
  for file in "examples/$1"/*; do command+=(--field-file "$(basename "$file")=$file"); done
  announce "${command[@]} > $1.yaml"
  "${command[@]}" > "$1.yaml"
}
seal database password
seal api-token token
seal app opaque
seal backup hetzner
show cut -c 1-100 database.yaml

say "Apply them, and wait until they are Ready"
show kubectl apply -f database.yaml -f api-token.yaml -f app.yaml -f backup.yaml
show kubectl -n shop wait --for=condition=Ready --timeout=30s vaultsecrets.vaultferry.dev --all
show kubectl -n shop get vaultsecrets.vaultferry.dev -o wide

say "The Secrets are there (their keys, not their values)"
for name in database api-token app backup; do printf '%s: %s\n' "$name" "$(keys "$name")"; done

say "A key for a storage is laid out for the tools that use it"
show kubectl -n shop patch vaultsecrets.vaultferry.dev backup --type=merge --patch '{"spec":{"location":{"region":"fsn1","bucket":"backup"},"target":{"formats":["rclone","s3cmd"]}}}'
wait_until 10 has_keys backup ".s3cfg rclone.conf "
printf 'backup: %s\n' "$(keys backup)"

say "Somebody edits one, and adds a key: it is repaired"
show kubectl -n shop patch secret database --patch '{"stringData":{"password":"edited","added":"by hand"}}'
wait_until 10 has_keys database "password username "
printf 'database: %s\n' "$(keys database)"

say "From vaults: stand-ins that the vendors' own clients take for the real ones"
stand_in() { # NAME [OPTION…]: start it; where it is stands in NAME.url
  (cd "$root" && exec python -m tests.vaults "$@" --https) > "$1.url" 2> "$1.log" &
  processes+=($!)
}
told() { python -c 'import json, sys; print(json.load(open(sys.argv[1] + ".url"))[sys.argv[2]])' "$@"; }
at_the_stand_in() { # MANIFEST NAME: the same manifest, but for where its vault is
  python - "$@" <<'PYTHON'
import json, sys, yaml
documents = list(yaml.safe_load_all(open(sys.argv[1])))
started = json.load(open(sys.argv[2] + ".url"))
for document in documents:
    if document["kind"] == "VaultConnection":
        [section] = document["spec"].values()
        section.update(address=started["url"], caBundle=started["certificate"])
yaml.safe_dump_all(documents, sys.stdout)
PYTHON
}
for name in doppler infisical onepassword-connect; do
  stand_in "$name" --state "$folder/examples/vaults/$name.json"
done
stand_in ssm
for name in doppler infisical onepassword-connect ssm; do wait_until 300 grep -q url "$name.url"; done
ssm=$(told ssm url)
(cd "$root" && python - "$ssm" <<'PYTHON'
import json, sys
from tests.vaults.judges import judging
with open("examples/vaults/parameters.json") as parameters, judging() as client:
    said = client.ask("ssm_put", sys.argv[1], "eu-west-1", json.load(parameters))
    sys.exit(said.get("error"))
PYTHON
)
ln ssm.url aws-ssm.url
for name in doppler infisical onepassword-connect aws-ssm; do
  announce "kubectl apply -f examples/vaults/$name.yaml  # at the address of the stand-in"
  at_the_stand_in "examples/vaults/$name.yaml" "$name" | kubectl apply -f -
done
show kubectl -n shop wait --for=condition=Ready --timeout=30s vaultsecrets.vaultferry.dev --all
show kubectl -n shop get vaultconnections.vaultferry.dev,vaultsecrets.vaultferry.dev
for name in stripe mail aws-production reports; do printf '%s: %s\n' "$name" "$(keys "$name")"; done

say "It changes in the vault: a forced sync does not wait for the next hour"
version() { kubectl -n shop get vaultsecrets.vaultferry.dev stripe -o 'jsonpath={.status.version}'; }
is_version() { [ "$(version)" = "$1" ]; }
sed 's/made-up-one/made-up-two/' examples/vaults/doppler.json > changed.json
python - "$(told doppler admin)/state" <<'PYTHON'
import pathlib, sys, urllib.request
body = pathlib.Path("changed.json").read_bytes()
urllib.request.urlopen(urllib.request.Request(sys.argv[1], body, method="PUT"))
PYTHON
show kubectl -n shop annotate vaultsecrets.vaultferry.dev stripe vaultferry.dev/force-sync=now
wait_until 15 is_version 2
echo "stripe: version $(version) of its values"

say "Plaintext is refused by the API server, and not repeated in what it says"
cat > plaintext.yaml <<'YAML'
apiVersion: vaultferry.dev/v1alpha1
kind: VaultSecret
metadata: {name: plain, namespace: shop}
spec: {type: token, credentials: {token: made-up-plaintext}}
YAML
show kubectl apply -f plaintext.yaml || true

say "Unless the sealing webhook runs: then the same manifest is sealed on its way in"
(cd "$root/deploy/webhook" && show kubectl apply -f serviceaccount.yaml -f rbac.yaml -f policy.yaml)
KUBECONFIG=$(as_account vaultferry-webhook) vaultferry webhook --host 127.0.0.1 --port 0 --health-port 0 2> "$folder/webhook.log" &
processes+=($!)
wait_until 30 grep -q started "$folder/webhook.log"
port=$(sed -n 's/.*"webhook_port": \([0-9]*\).*/\1/p' "$folder/webhook.log")
announce "vaultferry webhook-configuration --url https://127.0.0.1:$port | kubectl apply -f -"
vaultferry webhook-configuration --url "https://127.0.0.1:$port" | kubectl apply -f -
wait_until 30 kubectl apply --dry-run=server -f plaintext.yaml
show kubectl apply -f plaintext.yaml
show kubectl -n shop wait --for=condition=Ready --timeout=30s vaultsecrets.vaultferry.dev/plain
announce "kubectl -n shop get vaultsecrets.vaultferry.dev plain -o yaml | grep -c made-up-plaintext"
kubectl -n shop get vaultsecrets.vaultferry.dev plain -o yaml > plain.yaml
if grep -c made-up-plaintext plain.yaml; then exit 1; fi
show kubectl -n shop get vaultsecrets.vaultferry.dev plain -o "jsonpath={.spec}" | cut -c 1-100
printf 'plain: %s\n' "$(keys plain)"

say "Applied again, nothing changes; with the webhook off, plaintext is refused again"
show kubectl diff -f plaintext.yaml
echo "no difference"
show kubectl delete mutatingwebhookconfiguration vaultferry-webhook
wait_until 30 is_refused plaintext.yaml
show kubectl apply -f plaintext.yaml || true

say "Delete a VaultSecret: its Secret goes with it"
show kubectl -n shop delete vaultsecrets.vaultferry.dev database
echo "(garbage collection looks for new kinds every 30 s, so on a cluster this young it may take that long)"
wait_until 90 is_gone database
show kubectl -n shop get secrets

say "Delete the namespace: nothing hangs, there is no finalizer"
show kubectl delete namespace shop --timeout=60s

say "That was all"
cat <<'TEXT'
What to try next:
  make controlplane    a control plane of your own to play with; it prints its KUBECONFIG
  docs/install.md      into a real cluster
  docs/vaultsecret.md  every field, what is refused, what each condition means
  docs/vaultconnection.md  values from external vaults
  docs/webhook.md      plaintext that is sealed on its way in
  docs/sealing.md      what a token is bound to, and what it protects
  make test            the tests, on a real API server
TEXT

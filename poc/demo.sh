#!/usr/bin/env bash
# A federation of three made-up hospitals on this machine, over mutual TLS: from nothing to the table
# of results. Usage: poc/demo.sh [OUT]      (default: poc_demo; about 5 minutes on two cores)
#   STEPS=100 ROUNDS=5 before the command change how long it trains. It uses FLARE's port, 8002.
set -euo pipefail
checkout="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
case "${1:-}" in -*) sed -n '2,4p' "${BASH_SOURCE[0]}"; exit 2 ;; esac
out="$(realpath -m -- "${1:-poc_demo}")"
sites=(hospital-a hospital-b hospital-c)
steps="${STEPS:-100}" rounds="${ROUNDS:-5}" port=8002

refuse() { printf 'demo: %s\n' "$1" >&2; exit 2; }
say() { printf '\n--- %s (%s s since the start)\n' "$1" "$SECONDS"; }

command -v nvflare >/dev/null && command -v fedgin >/dev/null \
  || refuse "nvflare and fedgin must be on the PATH; found neither or one. Mend: pip install -r requirements.txt"
[ ! -e "$out" ] || [ -z "$(ls -A "$out")" ] \
  || refuse "$out: the output folder must be new or empty; it is not. Mend: name another, poc/demo.sh OUT"
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
  refuse "port $port: it must be free; something listens on it, perhaps a POC that is running. Mend: stop that (nvflare poc stop), then start again"
fi
for site in "${sites[@]}"; do
  [ -f "$checkout/poc/sites/$site.yaml" ] \
    || refuse "site $site: it needs its own poc/sites/$site.yaml; there is none. Mend: copy site_configs/hospital/site.yaml"
done

# A home and a workspace of its own: the user's ~/.nvflare is not touched.
mkdir -p "$out" 2>/dev/null \
  || refuse "$out: the output folder must be one that can be made; it cannot. Mend: name another, poc/demo.sh OUT"
work="$(mktemp -d "${TMPDIR:-/tmp}/fedgin-poc-XXXXXX")"
export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}"
export HOME="$work/home" NVFLARE_POC_WORKSPACE="$work/poc" FEDGIN_STORAGE="$out/storage"
# gRPC's own handlers of fork() now and then end a process that is just starting.
export GRPC_ENABLE_FORK_SUPPORT=false TORCHINDUCTOR_CACHE_DIR="$work/torchinductor"
unset FEDGIN_SITE_CONFIGS
mkdir -p "$HOME" "$FEDGIN_STORAGE"
watcher=""
finish() {
  trap '' INT TERM
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || true
  say "stop and clean up"
  nvflare poc stop >>"$out/flare.log" 2>&1 || true
  # Whatever a stop in mid-start has left behind.
  pkill -KILL -f "$work/poc" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

say "prepare a POC with ${#sites[@]} hospitals"
cd "$work"
nvflare poc prepare -c "${sites[@]}" --force >"$out/flare.log" 2>&1
kits="$NVFLARE_POC_WORKSPACE/example_project/prod_00"
cp "$checkout"/site_configs/server/*.json "$checkout/site_configs/server/server.yaml" "$kits/server/local/"
escaped="$(printf '%s' "$FEDGIN_STORAGE" | sed 's/[&#\\]/\\&/g')"
sed -i "s#/var/lib/fedgin#$escaped#" "$kits"/server/local/{resources.json,server.yaml}
for site in "${sites[@]}"; do
  cp "$checkout"/site_configs/hospital/*.json "$kits/$site/local/"
  cp "$checkout/poc/sites/$site.yaml" "$kits/$site/local/"
done
fedgin job export "$checkout/jobs/fed_gin_heart" "$out/job" --installed \
  --set min_clients=3 --set num_rounds="$rounds" --set steps_per_round="$steps"

say "start the server and the hospitals"
nvflare poc start --timeout 90 >>"$out/flare.log" 2>&1 || { tail -20 "$out/flare.log"; exit 1; }

say "submit jobs/fed_gin_heart"
admin="$kits/admin@nvidia.com"
nvflare --format json job submit -j "$out/job" --startup-kit "$admin" >"$work/submitted.json" \
  || { cat "$work/submitted.json"; exit 1; }
job="$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["data"]["job_id"])' "$work/submitted.json")"
tail -n +1 -F "$kits/server/$job/log.txt" 2>/dev/null \
  | sed -u -n 's/.*RoundProgress - INFO - .*\] - //p' &
watcher=$!
# In the background, so that a signal to this script is heeded at once.
nvflare job wait "$job" --startup-kit "$admin" >>"$out/flare.log" 2>&1 &
wait $! || true

say "download the result"
nvflare job download "$job" -o "$work/download" --startup-kit "$admin" >>"$out/flare.log" 2>&1
mv "$work/download/$job/workspace" "$out/result"
for site in "${sites[@]}"; do
  mkdir -p "$out/sites/$site"
  cp -r "$kits/$site/$job/." "$out/sites/$site/" 2>/dev/null || true
done
fedgin report "$out/result/report.json"
printf '\nModels:      %s\nReport:      %s\nTensorBoard: tensorboard --logdir %q\nSites:       %s\n' \
  "$out/result/app_server/" "$out/result/report.html" "$out/result/tb_events" "$out/sites/ (what stays in each hospital)"
python3 - "$out/result/report.json" <<'PYTHON'
import json, sys
sys.exit(1 if json.load(open(sys.argv[1]))["failures"] else 0)
PYTHON

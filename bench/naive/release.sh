#!/bin/sh
# The straightforward script that this project is compared with: blue and green, ten tries of curl, ln -sf, reload,
# sleep, remove. Written as a careful small team would, and right as long as nobody sends requests.
# Usage: release.sh IMAGE
set -eu
image=$1
wait=${WAIT:-5}
cd /etc/nginx/naive

case $(readlink live.conf || true) in
    blue.conf) old=blue new=green port=8002 ;;
    *) old=green new=blue port=8001 ;;
esac

nerdctl pull -q "$image" >/dev/null
nerdctl rm -f "app-$new" >/dev/null 2>&1 || true
nerdctl run -d --name "app-$new" --restart always -p "127.0.0.1:$port:8080" "$image" >/dev/null

ready=
for _ in 1 2 3 4 5 6 7 8 9 10; do
    if curl -fs -o /dev/null "http://127.0.0.1:$port/readyz"; then
        ready=yes
        break
    fi
    sleep 1
done
if [ -z "$ready" ]; then
    echo "$image does not become ready" >&2
    nerdctl rm -f "app-$new" >/dev/null
    exit 1
fi

ln -sf "$new.conf" live.conf
nginx -t -q
nginx -s reload
sleep "$wait"
nerdctl rm -f "app-$old" >/dev/null 2>&1 || true
echo "$image is live in $new"

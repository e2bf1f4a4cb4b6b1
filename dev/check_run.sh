#!/usr/bin/env bash
# Sends an email through what `make run` started (on its usual ports, or HTTP_PORT and INBOX_WEB_PORT), and waits until it is
# Sent and in the inbox.
set -euo pipefail

api=http://127.0.0.1:${HTTP_PORT:-7071}/api
inbox=http://127.0.0.1:${INBOX_WEB_PORT:-1080}/email
subject="check_run $$ $(date +%s)"
ask() { curl --fail --silent --show-error --max-time 10 "$@"; }

until_true() { # SECONDS COMMAND ...
    local end=$((SECONDS + $1))
    shift
    until "$@" 2>/dev/null; do
        ((SECONDS < end)) || return 1
        sleep 1
    done
}
is_up() { ask "$api/health" >/dev/null; }
is_sent() { ask "$api/emails/$id" | grep -q '"status": *"Sent"'; }
is_in_the_inbox() { ask "$inbox" | grep -qF "$subject"; }

until_true 180 is_up || { echo "$api/health does not answer" >&2; exit 1; }
id=$(ask "$api/emails" -H 'Content-Type: application/json' -d '{
  "from": "ann@contoso.com", "to": ["bob@example.com"], "subject": "'"$subject"'", "text": "Hello"
}' | sed -E 's/.*"id": *"([^"]+)".*/\1/')
until_true 60 is_sent || { echo "email $id was not sent:" >&2; ask "$api/emails/$id" >&2; exit 1; }
until_true 10 is_in_the_inbox || { echo "email $id is Sent, but not in the inbox" >&2; exit 1; }
echo "email $id was accepted, sent, and is in the inbox"

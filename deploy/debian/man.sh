#!/usr/bin/env bash
# The manual page of shadow-router(1), made of what the program says of itself: deploy/debian/man.sh PROGRAM VERSION
set -euo pipefail
program=$1 version=$2

# As it stands: what begins with a dot or an apostrophe would be a request, a backslash an escape, a hyphen another character.
verbatim() {
  echo .nf
  sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/"
  echo .fi
}

cat <<PAGE
.TH SHADOW\\-ROUTER 1 "" "shadow\\-router $version" "User Commands"
.SH NAME
shadow\\-router \\- evidence of which of an agent's model calls a small model could answer
.SH SYNOPSIS
.B shadow\\-router
.I COMMAND
[\\fIOPTIONS\\fR]
.SH DESCRIPTION
Stands beside an agent, watches its model calls over a Unix socket, decides by a policy file, asks a small local model in parallel,
compares, and keeps an append\\-only, hash\\-chained log.
.SH COMMANDS
PAGE
help=$("$program" --help)
sed -n '/^Commands:/,/^$/s/^  //p' <<<"$help" | verbatim
sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' <<<"$help" | while read -r command; do
  echo ".SS ${command//-/\\-}"
  # What every command ends with stands once, below.
  "$program" "$command" --help | sed '/^Every command also knows/,$d' | verbatim
done
echo '.SH "OPTIONS OF EVERY COMMAND"'
"$program" run --help | sed -n '/^Every command also knows/,$p' | verbatim
cat <<'PAGE'
.SH FILES
.TP
.I /etc/shadow\-router/router\-policy.yaml
the policy of the service
.TP
.I /var/lib/shadow\-router
its state: log, keys, flags, reports; a file named
.I kill
in it turns everything to the frontier
.TP
.I /run/shadow\-router
its sockets: tap.sock for agents in the group
.BR shadow\-router ,
control.sock for its owner
PAGE

#!/bin/sh
# Debian's busybox has no -z, as Alpine's has: connect, and leave.
[ "$1" = -z ] || exec busybox nc "$@"
shift
exec busybox nc -w 3 "$@" -e /bin/true

#!/bin/sh
# unit.sh TEMPLATE NAME TYPE SBINDIR SYSCONFDIR: the unit of a daemon, on standard output.
# What the three have in common, common.conf, is put in the place of @common@.  With the
# type notify-reload, of systemd 253, it is systemd that sends the signal and waits.
set -eu
template=$1 name=$2 type=$3 sbindir=$4 sysconfdir=$5
drop=
[ "$type" != notify-reload ] || drop='/^ExecReload=/d'
sed -e "/^@common@\$/{
r $(dirname "$template")/common.conf
d
}" "$template" | sed -e "$drop" -e "s|@name@|$name|g; s|@type@|$type|g" \
    -e "s|@sbindir@|$sbindir|g; s|@sysconfdir@|$sysconfdir|g"

#!/bin/sh
# unit.sh TEMPLATE NAME SBINDIR SYSCONFDIR: the unit of a daemon, on standard output.
# What the three have in common, common.conf, is put in the place of @common@.
set -eu
template=$1 name=$2 sbindir=$3 sysconfdir=$4
sed -e "/^@common@\$/{
r $(dirname "$template")/common.conf
d
}" "$template" | sed -e "s|@name@|$name|g; s|@sbindir@|$sbindir|g; s|@sysconfdir@|$sysconfdir|g"

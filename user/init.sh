#!/bin/busybox sh
# The first program: mounts what programs expect, then a login on the console.

/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys

export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TERM="${TERM:-linux}" PS1='cowbell:\w# '
cd /root || cd /

echo
echo "Every command you start here is a copy-on-write fork of this shell.  Try: cowdemo"
echo "Leave with: poweroff -f"
echo
setsid -c sh -i

poweroff -f

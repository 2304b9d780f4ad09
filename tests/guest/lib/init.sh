#!/bin/sh
# SPDX-License-Identifier: MIT
# First process of a test guest. Kernel messages go to the first serial port;
# the second carries commands from the host: a line in, its output and then
# "status N" out.

/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev

exec < /dev/ttyS1 > /dev/ttyS1 2>&1
stty -echo -onlcr < /dev/ttyS1

while read -r module; do
	insmod "/modules/$module.ko" || echo "insmod $module failed"
done < /modules/order

echo "ready $(uname -r)"
while read -r line; do
	eval "$line"
	echo "status $?"
done
poweroff -f

# SPDX-License-Identifier: MIT
# What programs read from /proc, as far as it is the same on every machine: the shape of the answers
# of ps, top, free and their like.  It only looks, so the build machine's own /proc will do.

shape() { sed 's/[0-9][0-9.]*/N/g; s/  *N/ N/g'; }
fields() { awk '{ print NF; exit }' "$1"; }

cd /

echo "== processes"
sleep 77.5 & child=$!
until grep -q sleep /proc/$child/comm; do usleep 1000; done
ps | awk 'NR == 1'
ps -o pid,ppid,comm,args | awk -v p=$child '$1 == p { print ($2 > 0), $3, $4, $5 }'
ps -o pid,stat | awk -v p=$child '$1 == p { print substr($2, 1, 1) }'
pidof sleep | tr ' ' '\n' | grep -cx $child
tr '\0' '|' </proc/$child/cmdline; echo
cat /proc/$child/comm; fields /proc/$child/stat; fields /proc/$child/statm
awk '{ print $2, $3, ($4 > 1) }' /proc/$child/stat
awk -F'[:\t ]+' '/^(Name|State|Tgid|Pid|PPid|Threads):/ { print $1, NF }' /proc/$child/status
awk -F'\t' -v p=$child '$1 == "Pid:" { print $2 == p }' /proc/$child/status
grep -c '^VmRSS:.* kB$' /proc/$child/status; readlink /proc/$child/cwd; readlink /proc/$child/root
awk '$NF ~ /^\[/ && $NF ~ /heap|stack/ { print $2, $NF }' /proc/$child/maps
awk '$2 ~ /x/ && $NF ~ /busybox/ { n++ } END { print n }' /proc/$child/maps
test -r /proc/$child/environ && echo environ; ls /proc/$child/task | grep -cx $child
kill -STOP $child; until grep '^State:.T' /proc/$child/status; do usleep 1000; done
kill -9 $child; wait $child 2>/dev/null; ls /proc/$child 2>&1 | sed "s/$child/N/"
awk -v p=$$ '{ print $1 == p }' /proc/$$/stat; sh -c 'test "$(readlink /proc/self)" != $$ && echo self'
echo input | readlink /proc/self/fd/0 | shape; echo input | cat /proc/self/fd/0; ls /proc/self/fd | head -n 3
cat /dev/fd/0 <<END
through a descriptor
END
readlink /proc/self/fd/1 >/dev/null && echo open; ls /proc/self/nothing 2>&1

echo "== the machine"
free | awk '{ print $1, NF }'; uptime | sed 's/.*load/load/' | shape
fields /proc/uptime; fields /proc/loadavg; awk '/^MemTotal:|^MemFree:/ { print $1, $3 }' /proc/meminfo
awk '/^cpu / { print $1, (NF >= 9) } /^(btime|processes|ctxt|procs_running) / { print $1, NF }' /proc/stat |
	sort
grep -c '^processor' /proc/cpuinfo | grep -cx "$(nproc)"; mount | awk '$3 == "/proc" { print $2, $4, $5 }'
awk '$2 == "/proc" { print $3, NF }' /proc/mounts; cat /proc/sys/kernel/ostype
df /dev | awk 'NR == 1 { print } NR > 1 { print NF, $NF }'
top -b -n 1 | awk 'NR <= 2 { print $1 } NR == 3 { print $1, $2, NF } NR == 4 { print $1, $2, $NF }'
test $(date +%s) -ge $(awk '$1 == "btime" { print $2 }' /proc/stat) && echo later

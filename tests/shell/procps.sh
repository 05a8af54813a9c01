# SPDX-License-Identifier: MIT
# What Debian's procps, and busybox, say of a process of which everything is known beforehand (see
# tests/user/init/known.c).  $1 is that program; $2 says by how many KiB a count may be off that
# Linux does not keep exactly.

known=$1 slack=$2

# busybox would run its own programs of these names.
for tool in ps free top pmap vmstat uptime w pgrep pkill slabtop pwdx; do
	eval "$tool() { /usr/bin/$tool \"\$@\"; }"
done
pidof() { /bin/pidof "$@"; }

# A column of the last line, by its title in the line that has it.
column() {
	awk -v title="$1" '!at { for (i = 1; i <= NF; i++) if ($i == title) at = i; next }
		{ value = $at } END { print title, value }'
}
near() { awk -v a="$1" -v b="$2" -v s="$slack" 'BEGIN { d = a - b; if (d < 0) d = -d; print (d <= s) ? "agree" : a " and " b }'; }
plain() { awk '{ gsub(/[N<]/, "", $2); print $1, $2, $3, $4, $5 }'; }    # as nice as the tests are
status() { awk -v name="$2:" '$1 == name { print $2 }' /proc/$1/status; }
smaps() { awk -v name="$2:" '$1 == name { sum += $2 } END { print sum }' /proc/$1/smaps; }

cd /
: >/tmp/known.$$
$known >/tmp/known.$$ &
until grep -q . /tmp/known.$$; do usleep 1000; done
read pid child address </tmp/known.$$; rm /tmp/known.$$
until awk '{ exit $3 != "S" }' /proc/$child/stat && awk '{ exit $3 != "S" }' /proc/$pid/stat; do usleep 1000; done

echo "== pmap"
for who in $pid $child; do
	for title in Size Rss Pss Pss_Dirty Anonymous LazyFree Swap Locked; do
		pmap -X $who | grep -e Perm -e $address | column $title
	done
	for title in Shared_Clean Shared_Dirty Private_Clean Private_Dirty KernelPageSize; do
		pmap -XX $who | grep -e Perm -e $address | column $title
	done
	pmap -x $who | grep $address | awk '{ print $2, $3, $4, $5, $7 }'
	pmap -d $who | grep $address | awk '{ print $2, $3, $6 }'
	pmap $who | grep $address | awk '{ print $2, $3, $5 }'
	pmap -x $who | awk '/^total/ { print $4 }' | { read rss; near $rss $(smaps $who Rss); }
	pmap -q $who | grep -c '^[0-9a-f]* *[0-9]*K ' | grep -cx $(wc -l </proc/$who/maps)
done
pmap 999999; echo $?

echo "== ps"
ps -f -p $pid | awk 'NR == 1'; ps -f -p $pid | awk 'NR == 2 { print $1, $6, $8 }' | sed "s:$known:KNOWN:"
ps u -p $pid | awk 'NR == 1'; ps u -p $pid | awk 'NR == 2 { print $1, $7, $11 }' | sed "s:$known:KNOWN:"
ps -o ppid=,pgid=,sid= -p $child | awk -v p=$pid '{ print ($1 == p), ($2 > 0), ($3 > 0) }'
ps -o comm=,stat=,nlwp=,cls=,tty= -p $pid | plain; ps -o comm=,stat=,nlwp= -p $child | plain
ps -o ni=,pri= -p $pid | awk -v n="$(ps -o ni= -p $$)" '{ print ($1 == n), ($2 == 19 - n) }'
ps -L -o pid=,lwp= -p $pid | awk -v p=$pid '$1 == p { n++ } $2 == p { own++ } END { print n, own }'
ps -eLf | awk -v p=$pid '$2 == p { print $6; n++ } END { print n }'; ps --ppid $pid -o comm=
ps -o rss= -p $pid | { read rss; near $rss $(status $pid VmRSS); }
ps -o vsz= -p $pid | { read size; near $size $(status $pid VmSize); }
ps -o uss= -p $pid | { read own; echo $((own - $(smaps $pid Private_Clean) - $(smaps $pid Private_Dirty))); }
ps -o pss= -p $pid | { read part; awk -v a=$part -v b=$(smaps $pid Pss) 'BEGIN { print (a - b >= 0 && a - b < 16) }'; }
ps -p 999999; echo $?
ps aux --sort=-rss | awk 'NR == 2 { last = $6 } NR > 2 { if ($6 > last) bad++; last = $6 } END { print bad + 0 }'
ps axjf | awk -v p=$child '$2 == p' | grep -c '\\_'

echo "== pgrep, pidof"
pgrep -f "^$known" | tr '\n' ' ' | grep -cx "$pid $child "; pgrep -P $pid | grep -cx $child; pgrep -x known -c
pgrep -l -o known | awk '{ print $2 }'; pgrep -a -n known | sed "s:$known:KNOWN:; s:^[0-9]* ::"; pgrep no-such; echo $?
pidof known | wc -w; pwdx $pid | sed 's/^[0-9]*//'

echo "== free"
free | awk 'NR == 1 { print $1, $2, $3, $4, $5, $6 } NR > 1 { print $1, NF }'
total=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
free -k | awk -v t=$total '/^Mem/ { print ($2 == t), ($3 + $7 == $2), ($4 <= $2) }'; free -m | awk -v t=$total '/^Mem/ { print $2 == int(t / 1024) }'
free -h -t | awk '{ print $1 }'; busybox free | awk -v t=$total '/^Mem/ { print $2 == t }'

echo "== top"
top -b -n1 -p $pid | awk 'NR <= 5 { sub(/:.*/, ":"); print $1 }'; top -b -n1 -p $pid | awk 'NR == 7'
line=$(top -b -n1 -p $pid | awk -v p=$pid '$1 == p'); set -- $line
near $5 $(status $pid VmSize); near $6 $(status $pid VmRSS); near $7 $(($(status $pid RssFile) + $(status $pid RssShmem)))
echo $2 $(($3 - 20 - $4)) $8 ${12}; top -H -b -n1 -p $pid | grep -c ' known$'
busybox top -b -n1 | awk -v p=$pid '$1 == p { print ($2 > 0), $3, substr($4, 1, 1) }'

echo "== the rest"
vmstat | awk 'NR == 2 { print } NR == 3 { print NF, ($15 <= 100) }'; vmstat -s | awk -v t=$total 'NR == 1 { print ($1 == t), $2, $3, $4 }'
vmstat -s | awk '/forks|context switches|boot time/ { print ($1 > 0), $2, $3 }'; vmstat -f | awk '{ print ($1 > 0), $2 }'
vmstat -m | awk 'NR == 1 { print $1, $2, $3, $4, $5 } NR > 1 && $1 != "Cache" && ($2 > $3 || $5 == 0) { bad++ } END { print bad + 0 }'
vmstat -d >/dev/null; echo $?
slabtop -o | awk 'NR <= 4 { print $1, $2, $3, $4 } NR == 7 { print $1, $2, $3, $4, $5, $6, $7 }'
uptime | sed 's/.* load average: [0-9.]*, [0-9.]*, [0-9.]*$/load average: N, N, N/'; uptime -p | awk '{ print $1 }'; uptime -s | wc -c
w -h | grep -c known; w | awk 'NR == 2'

pkill -KILL -x known; wait $pid 2>/dev/null; echo $?

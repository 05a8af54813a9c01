# SPDX-License-Identifier: MIT
# What a person does in a shell in a day, as one script: every byte of its output, and the status
# it ends with, must be the same in Cowbell as on Linux.  It owns the root directory it runs in,
# which holds nothing but busybox, /dev and /tmp.  It may print nothing that depends on time, on
# process numbers, on the order of names in a directory or on the kind of file system.

part() { echo; echo "== $*"; }
say() { "$@"; echo "status $?"; }
size() { stat -c '%n %s' "$@"; }

umask 022
mkdir -p /etc /tmp/work
cd /tmp/work
echo 'root:x:0:0:root:/root:/bin/sh' >/etc/passwd
echo 'guest:x:1000:1000:guest:/:/bin/sh' >>/etc/passwd
printf 'root:x:0:\nguest:x:1000:\n' >/etc/group

part words and numbers
x=3; y=$((x * 7 - 1)); echo $y $((y % 6)) $((1 << 10)) $((0x1f)) $((x > 2 && y < 9)) $((-7 / 2))
echo "${x:-none} ${nothing:-none} ${nothing:=set} ${#nothing} ${x:+there}"
path=/usr/share/doc/cow.tar.gz
echo ${path##*/} ${path%/*} ${path%%.*} ${path#/usr}
expr 6 \* 7; expr length cowbell; expr cowbell : 'cow\(.*\)'; say expr 0
seq 3; seq 10 -3 1 | tr '\n' ' '; echo
printf '%5d|%-5s|%05.1f|%x|%c|%b\n' 42 ab 2.5 255 z 'a\tb'
factor 360 97; echo '2^64' | bc; dc -e '2 3 ^ p'
for i in 1 2 3; do for j in a b; do printf '%s ' $i$j; done; done; echo
i=0
while [ $i -lt 5 ]; do
	i=$((i + 1))
	[ $i = 2 ] && continue
	[ $i = 4 ] && break
	echo $i
done
until [ $i = 0 ]; do i=$((i - 1)); done; echo $i
case cowbell in *bull*) echo wrong;; cow*|calf) echo right;; *) echo other;; esac
set -- one 'two three' four; echo $# "$2" "$*"; shift; echo $# "$@"
add() { local sum=$(($1 + $2)); echo $sum; return $((sum > 9)); }
say add 4 5; say add 5 6; echo "${sum-unset}"
eval 'name=x; eval echo \$$name'
echo a{b,c} ~ '*' "$(printf 'two\nlines')"
while getopts ab:c option -a -b value -c; do echo "$option=$OPTARG"; done
getopt ab: -a -b x y

part tests
for e in '1 -eq 1' '1 -gt 2' 'a = a' 'a != a' '-n x' '-z x' '-d /tmp' '-f /tmp' '-e /nowhere' \
	'-c /dev/null' '-r /etc/passwd' '-x /etc/passwd' '-w /etc/passwd' '! -s /dev/null'; do
	test $e && echo "yes: $e" || echo "no: $e"
done
[ /bin/busybox -ef /bin/sh ] && echo same
[[ abc = a* ]] && echo match
true && false || echo 'and, or'; ! true; echo $?

part redirections and documents
echo first >f; echo second >>f; cat f; cat <f | cat - f | wc -l
cat <<END
x is $x, and $(echo two words), \$x
END
cat <<-'END'
	no tabs, $x
	END
ls /nowhere 2>&1; ls /nowhere 2>/dev/null; echo $?
{ echo out; echo error >&2; } 2>&1 | sort
exec 3>g 4<f; echo to three >&3; read line <&4; exec 3>&- 4<&-; cat g; echo $line
set -C; echo again >f; echo $?; echo forced >|f; set +C; cat f
echo none >/nowhere/file; echo $?
echo closed >&7; echo $?; cat <&- ; echo $?
: >empty; wc -c <empty; say cat nowhere
echo swap 3>&1 1>&2 2>&3 | cat
say dd if=/dev/zero of=/dev/full bs=1 count=1 2>/dev/null; echo lost >/dev/full; echo $?

part pipes and text
printf '%s\n' pear apple fig apple cherry fig apple >fruit
sort fruit | uniq -c | sort -k1,1nr -k2 | awk '{ print $1 "x" $2 }'
sort -u fruit | tr a-z A-Z | rev; sort -r fruit | head -n 2; tail -n 2 fruit; tail -n +6 fruit
cut -c1-3 fruit | paste -s -d+ -; cut -d: -f1,6 /etc/passwd; nl fruit | tail -n 1
grep -n apple fruit; grep -c fig fruit; grep -v e fruit; say grep -q melon fruit
grep -E '^(p|c)' fruit | tee copy | wc -l; cat copy; grep -o 'p*' fruit | sort -u
fgrep -x fig fruit; sed -i 's/pear/date/' copy; cat copy
sed -n '2,3p' fruit; sed -e 's/p\+/P/' -e '/fig/d' fruit; sed '$!N;s/\n/ /' fruit
awk -F: '{ sum += $3 } END { printf "%d %s\n", sum, toupper(substr($1, 1, 3)) }' /etc/passwd
awk 'BEGIN { while (i++ < 3) s = s i; print s, length(s); "echo sub" | getline; print }'
awk '{ n[$1]++ } END { for (w in n) print n[w], w | "sort" }' fruit
tr -d aeiou <fruit | tr -s p; tac fruit | head -n 1; fold -w 4 fruit | head -n 2
printf 'a\tb\n' | expand -t 4; seq 100 | awk '{ s += $1 } END { print s }'
seq 5 | xargs echo; seq 5 | xargs -n 2 echo n; printf 'a b\0c\0' | xargs -0 -n 1 echo
echo 1 2 | xargs sh -c 'echo $0; exit 3'; echo $?
seq 3 | while read n; do echo $((n * n)); done
echo one two three | while read a b; do echo "$b $a"; done
echo 'a:b:c' | { IFS=: read p q r; echo $r$q$p; }
yes | head -n 20000 | wc; yes cow | dd bs=4 count=3 2>/dev/null
first=$(cat fruit | cat | cat | sort | head -n 1); echo $first
seq 20000 | sort -n -r | head -n 1; shuf -i 1-50 | sort -n | md5sum
strings /bin/busybox | grep -c '^BusyBox v'

part bytes
printf 'Moo\001\377 bell' >bytes; od -An -c bytes; od -tx1 bytes; hexdump -C bytes; xxd -p bytes
md5sum bytes; sha1sum bytes; sha256sum bytes; sha512sum bytes | cut -c1-32; crc32 bytes
md5sum bytes >sums; say md5sum -c sums
base64 bytes; base64 bytes | base64 -d | cmp - bytes && echo same
dd if=/dev/zero of=zeros bs=1k count=64 2>&1 | head -n 2
dd if=bytes bs=1 skip=4 count=3 2>/dev/null | od -An -tx1
dd if=bytes of=zeros bs=1 seek=65530 conv=notrunc 2>/dev/null
size zeros; tail -c 12 zeros | od -An -tx1; dd if=/dev/null of=zeros seek=2 bs=1M 2>&1 | head -n 1
size zeros; md5sum zeros; say cmp bytes zeros; truncate -s 5 bytes; wc -c <bytes
head -c 100 /dev/zero | tr '\0' x | wc -c; head -c 3000 /dev/urandom | wc -c
gzip -c bytes >bytes.gz; gunzip -c bytes.gz | cmp - bytes && echo same
gzip zeros; gunzip zeros.gz; size zeros; gzip <zeros | zcat | md5sum; bzip2 -c zeros | bunzip2 | md5sum
fallocate -l 5000 room; size room; fallocate -o 6000 -l 100 room; size room; shred -n 1 -u room; ls room

part files and directories
mkdir -p tree/a/b/c tree/d; rmdir tree/d; echo leaf >tree/a/b/leaf; echo deep >tree/a/b/c/deep
cp tree/a/b/leaf tree/top; ln tree/top tree/hard; ln -s a/b/leaf tree/soft
ln -s x tree/broken; ln -s nowhere tree/broken; ln -sf nowhere tree/broken
readlink tree/soft; realpath tree/soft; readlink -f tree/a/../soft; cat tree/soft
say cat tree/broken; stat -c '%n %F %s %a %h' tree/top tree/soft; stat -L -c '%F %s' tree/soft
chmod 640 tree/top; stat -c %A tree/hard; chmod -R u=rwX,go= tree/a; stat -c %a tree/a tree/a/b/leaf
chmod +x tree/a/b/leaf; chmod 4755 tree/hard; stat -c %A tree/top
chown 1000:1000 tree/top; stat -c '%u %g %U %G %A' tree/top
chown -R guest tree/a; chgrp guest tree/a; stat -c '%U %G' tree/a
touch -d '2001-02-03 04:05:06' tree/top; stat -c '%Y %y' tree/top; date -u -r tree/top
touch -r tree/top f; stat -c %Y f; TZ=CET-1 ls -l --full-time tree/top
ls -l tree/top; ls -1F tree; ls -d tree/*; ls -a tree/a; ls -R tree/a
find tree | sort; find tree -type l | sort; find tree -perm 700 | sort
find tree -name '*e*' -type f -exec wc -c {} + | sort; find tree -name leaf -exec echo {} \;
find tree -type f -newer tree/top | sort; find tree -links +1 -type f | sort; find tree -empty
find tree -maxdepth 1 -mindepth 1 ! -type d -print0 | sort -z | tr '\0' ' '; echo
find tree -size -2 -type f -user guest | sort
mv tree/top tree/moved; mv tree/moved tree/hard tree/a; ls tree/a; mv tree/a tree/z
say mv tree/nowhere tree/y; mkdir tree/y; mv tree/y tree/z/hard; mv tree/z tree/z/b; rmdir tree/y
cp -a tree copied; diff -r tree copied 2>/dev/null && echo same
stat -c '%a %u %Y %h' copied/z/moved; readlink copied/soft; cp -r tree/z/b again; ls again
cp -p f kept; stat -c %Y kept; cp nowhere y; echo $?; cp tree y; cp -s /tmp/work/f symbolic
readlink symbolic; du -s tree >/dev/null && echo du; du -a tree | cut -f2 | sort
rm tree/soft; rm -f nowhere; say rm nowhere; say rm tree; say rmdir tree
rm -r copied; say ls copied; unlink kept; say ls kept; link f linked; cmp f linked
mkdir tree/z/b; echo $?; mkdir -m 700 private; stat -c %a private; touch private/.hidden
ls private; ls -A private; rm -rf private
(umask 077; touch secret; mkdir hidden; stat -c %a secret hidden)
umask; umask u=rwx,g=rx,o=; umask; umask 022
mkfifo fifo; stat -c %F fifo; (echo through >fifo) & cat fifo; wait
mknod node c 1 3; stat -c '%F %t %T' node; echo x >node; mknod disk b 7 0; stat -c %F disk
name=$(mktemp); test -f $name && stat -c '%a %s' $name; rm $name
name=$(mktemp -d /tmp/XXXXXX); stat -c '%a %F' $name; rmdir $name
basename /a/b/c.txt .txt; dirname /a/b/c.txt; cd tree/z; pwd; cd ../..; cd -; cd ../..; pwd
cd /nowhere; echo $?; ln -s . loop; ls -d loop/loop/loop/fruit; ln -s me me; cat me
i=0; p=.; while [ $i -lt 64 ]; do p=$p/z; i=$((i + 1)); done
mkdir -p $p; (cd $p; pwd | wc -c); find z | wc -l; rm -r z
long=$(printf %0255d 0); touch $long && ls | grep -c 0000; touch ${long}0; rm $long
seq 300 | sed s/^/n/ | xargs touch; ls | grep -c '^n[0-9]'; rm n[0-9]*; ls | grep -c '^n[0-9]'
echo [fg]* ?; ls -S f fruit bytes; ls -lS f fruit | awk '{ print $5, $NF }'

part scripts and archives
printf '#!/bin/sh\necho "a script: $1"\nexit 7\n' >run; chmod 755 run; say ./run one
echo 'echo "no interpreter: $1"' >plain; chmod +x plain; ./plain two; say ./fruit; say ./tree
printf '#!/bin/cat\nmyself\n' >cats; chmod +x cats; ./cats
printf '#!/nowhere\n' >lost; chmod +x lost; say ./lost; printf '#!./lost\n' >loop2; chmod +x loop2
say ./loop2; . ./plain three; printf '\177ELFnonsense' >broken; chmod +x broken; say ./broken
find tree -exec touch -h -d '2020-02-02 02:02:02' {} +
(cd tree && tar cf ../tree.tar z/moved z/b/leaf broken); tar tvf tree.tar; mkdir out
tar xf tree.tar -C out; find out | sort; stat -c '%a %u %Y' out/z/moved; readlink out/broken
tar czf tree.tgz tree; mkdir more; tar xzf tree.tgz -C more; tar xOf tree.tar z/b/leaf
diff -r tree more/tree 2>/dev/null && echo same
find tree | sort | cpio -o -H newc 2>/dev/null >tree.cpio; cpio -t <tree.cpio 2>/dev/null
mkdir in; (cd in && cpio -idm <../tree.cpio 2>&1); diff -r tree in/tree 2>/dev/null && echo same

part differences and editors
printf '%s\n' one two three four >old; sed 's/two/2/; $a five' old >new
diff old new; diff -u old new | sed 1,2d; diff -q old new; diff old old && echo none
(printf -- '--- old\n+++ old\n'; diff -u old new | sed 1,2d) >change
patch <change; cmp old new && echo patched; patch -R <change; head -n 2 old
printf '1d\na\nappended\n.\nw\nq\n' | ed old; cat old; sort -o old old; cat old
dos2unix <old | unix2dos | od -An -c | head -n 2

part jobs and signals
sleep 0.1 & wait $!; echo $?; (exit 3) & wait $!; echo $?
sleep 5 & kill $!; wait $! 2>/dev/null; echo $?
for i in 1 2 3 4; do (sleep 0.0$i; echo $i >>order) & done; wait; sort order; say usleep 1000
sh -c 'exit 9'; echo $?; sh -c 'kill -KILL $$'; echo $?; nothing-like-this; echo $?
for s in HUP INT QUIT ILL ABRT FPE SEGV PIPE ALRM TERM USR1; do
	sh -c "kill -$s \$\$" 2>/dev/null; echo $s $?
done
timeout 0.2 sleep 5; echo $?; timeout 5 true; echo $?; timeout -s INT 0.1 sleep 5; echo $?
timeout 5 sh -c 'exit 4'; echo $?
trap 'echo caught usr1' USR1; kill -USR1 $$; (kill -USR1 $$)
trap '' TERM; kill $$; echo alive; sh -c 'kill $$; echo alive, too'; trap - TERM USR1
(trap 'echo leaving' EXIT; echo inside; exit 2); echo $?
(trap 'echo int; exit 5' INT; kill -INT $(sh -c 'echo $PPID')); echo $?
: >said
sh -c 'trap "echo heard" USR2; echo ready; while :; do sleep 0.02; done' >said & child=$!
until grep -q ready said; do usleep 5000; done
kill -USR2 $child; until grep -q heard said; do usleep 5000; done; cat said
kill -STOP $child; kill -CONT $child; kill -9 $child; wait $child 2>/dev/null; echo $?
say kill -0 $$; kill -0 $child 2>/dev/null; echo $?; kill -l 15; kill -l | head -n 3
sh -c 'trap "echo woken" ALRM; (sleep 1; kill -ALRM $$) & wait; echo $?'
setsid sh -c 'echo session'; nohup sh -c 'echo without hangup' 2>/dev/null
start-stop-daemon -S -x /bin/sh -- -c 'echo started'
{ echo a; sleep 0.1; echo b; } | { read one; read two; echo $two$one; }
true | false; echo $?; yes | true; echo $?; seq 100000 | head -n 1
(seq 100000; echo $? >&2) 2>late | head -n 1; cat late

part the shell itself
sh -c 'set -e; false; echo not here'; echo $?; sh -c 'set -u; echo $unset' 2>&1
sh -c 'set -e; if false; then :; fi; false || true; echo here'; sh -c 'set -x; echo traced' 2>&1
say sh -n fruit; sh -c 'echo $0 $@' name a b; echo 'echo from input' | sh -s; sh -c 'if' 2>&1
a=1; (a=2; echo $a); echo $a; b=$(a=3; echo $a; exit 6); echo $b $? $a
export a; sh -c 'echo $a'; env -i b=2 /bin/sh -c 'echo ${a-none} $b'; env | grep -c ^a=
readonly c=4; (c=5; echo not here) 2>&1; unset a; echo ${a-gone}; alias hi='echo hi'; alias
(ulimit -n 20; ulimit -n; ulimit -c 0; ulimit -c); ulimit -Sn 32; sh -c 'ulimit -n'
i=0; while [ $i -lt 40 ]; do i=$((i + $(echo 1))); done; echo $i
echo $(echo $(echo $(echo nested))); f() { [ $1 -gt 0 ] && (f $(($1 - 1))) || echo bottom; }; f 12
printf 'lines\nread\n' >text; n=0; while read -r line; do n=$((n + 1)); done <text; echo $n
read -t 1 never </dev/null; echo $?; sleep 1 | { read -t 0.05 late; echo $?; }
which sh; type cd; type say; command -v grep; tty; nproc >/dev/null; say sync
exec 5<text; sh -c 'read l <&5; echo $l'; read l <&5; echo $l; exec 5<&-

part who and when
id; id -u; id -un; whoami; groups; uname -s; uname -m; hostname -s >/dev/null && echo named
cat >guest <<'END'
id -un; touch /tmp/mine; cat /tmp/work/secret; cd /tmp/work/hidden; echo x >/etc/passwd
rm /tmp/work/f; kill -0 1; chown root /tmp/mine; mkdir /new; ln -s /tmp/work/secret /tmp/link
cat /tmp/link; mv /tmp/work /tmp/stolen; chmod 777 /etc; test -w /etc || echo read-only
chroot / true; mknod /tmp/null c 1 3; hostname mine; date -s @0 >/dev/null; su root -c id </dev/null
END
su guest -c '. /tmp/work/guest' 2>&1; stat -c %U /tmp/mine; rm /tmp/mine /tmp/link
chmod 1777 /tmp; touch /tmp/rooted; su guest -c 'rm -f /tmp/rooted' 2>&1; rm /tmp/rooted
time -f %x sh -c 'exit 3' 2>&1; time -p true 2>&1 | sed 's/[0-9.]*//g'
date -u -d @0; date -u -d @1000000000 '+%F %T %j %a'; date -u -d '2024-02-29 12:00' +%s; cal 2 2024
TZ=EST5EDT date -d @1700000000; test $(date +%Y) -ge 2024 && echo now
chroot / sh -c 'echo rooted'; mkdir -p jail/bin; cp /bin/busybox jail/bin/sh
chroot jail /bin/sh -c 'echo /*; cd ..; pwd; echo >/file'; cat jail/file; say chroot /nowhere true

part the end
cd /; rm -r /tmp/work; ls /tmp/work; echo $?
trap 'echo goodbye' EXIT
exit 23

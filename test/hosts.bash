# shellcheck shell=bash
# Hosts for test/packages: Debian roots with systemd as PID 1, each in a network
# namespace of its own, joined by a bridge in another one.  All of it lives in
# namespaces, folders and cgroups that were made here.
#
# H_WORK	folder of this run
# H_CACHE	folder that base roots are kept in

H_ID=hlp$$
declare -A H_PID

# All that a host needs of this machine is tried here: when it is said to be there and a
# host does not boot, that is a failure.
hosts_missing()		# says what keeps hosts from running here; nothing: they can
{
	local tool ns=$H_ID-try

	[ "$(id -u)" = 0 ] || { echo "not root"; return; }
	for tool in systemd-nspawn mmdebstrap nft ip nsenter unshare; do
		command -v "$tool" >/dev/null || { echo "no $tool: packaging/install-deps --packages"; return; }
	done
	unshare -m -p -f -u -i -n -C true 2>/dev/null || { echo "may not make namespaces"; return; }
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m --propagation private sh -c 'mount -t tmpfs x /mnt && mkdir /mnt/cg /mnt/up /mnt/work /mnt/root &&
	    mount -t overlay ov -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /mnt/root &&
	    mount -t cgroup2 x /mnt/cg && mkdir "/mnt/cg/$0" && rmdir "/mnt/cg/$0"' "$ns" 2>/dev/null ||
	    { echo "may not mount an overlay, or cgroup2 is not writable"; return; }
	ip netns add "$ns" 2>/dev/null || { echo "may not make network namespaces"; return; }
	ip -n "$ns" link add br0 type bridge 2>/dev/null &&
	    ip -n "$ns" link add v0 type veth peer name v1 2>/dev/null &&
	    ip netns exec "$ns" nft add table bridge part 2>/dev/null ||
	    echo "the kernel has no bridge, veth or nftables for bridges"
	ip netns del "$ns"
}

hosts_mirror()
{
	apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' \
	    'Created-By: Packages' |
	    awk -v c="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$1 == c { print $2; exit }'
}

# hosts_root SUITE PACKAGES FOLDER: a root with these, of a tar that is made once a day
hosts_root()
{
	local tar

	tar=$H_CACHE/$1-$(date +%Y%m%d)-$(echo "$2" | cksum | cut -d ' ' -f 1).tar
	mkdir -p "$H_CACHE" "$3"
	if [ ! -e "$tar" ]; then
		mmdebstrap -q --variant=minbase --format=tar "--include=$2" "$1" "$tar.new" \
		    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(hosts_mirror) $1 main" ||
			return 1
		mv "$tar.new" "$tar"
	fi
	tar -C "$3" -xf "$tar" && rm -f "$3/etc/hostname"	# of the machine that built it
}

# A root of the release, with what the package needs from apt.
hosts_base()		# hosts_base SUITE FILE...: they are in /root there
{
	local base=$H_WORK/base

	hosts_root "$1" systemd,systemd-sysv,dbus,libnss-systemd,iproute2,procps,curl,jq,rpm "$base" || return 1
	shift
	cp "$@" "$base/root/"
	cat >"$base/etc/apt/apt.conf.d/99keep" <<-END
	Binary::apt::APT::Keep-Downloaded-Packages "true";
	APT::Keep-Downloaded-Packages "true";
	Acquire::Languages "none";
	END
	host_cgroup base systemd-nspawn -q --register=no --keep-unit --pipe -D "$base" \
	    --resolv-conf=replace-host sh -c 'apt-get -qq update &&
	    apt-get -qq -y -d --no-install-recommends install /root/hubleaf.deb' </dev/null
}

# host_cgroup NAME COMMAND...: in a cgroup of its own, in a private view of the hierarchy
host_cgroup()
{
	${H_EXEC:-} unshare -m --propagation private bash -c '
		set -e
		mount -t cgroup2 cg /sys/fs/cgroup
		mkdir -p "/sys/fs/cgroup/$0/$1"
		echo $$ >"/sys/fs/cgroup/$0/$1/cgroup.procs"
		mount -t tmpfs tmpfs /run/systemd 2>/dev/null || { mkdir -p /run/systemd; mount -t tmpfs tmpfs /run/systemd; }
		shift
		exec "$@"' "$H_ID" "$@"
}

hosts_network()
{
	ip netns add "$H_ID-sw" && ip -n "$H_ID-sw" link add br0 type bridge &&
	    ip -n "$H_ID-sw" link set br0 up &&
	    printf 'table bridge part {\n chain pf {\n type filter hook forward priority 0; policy accept;\n }\n}\n' |
	    ip netns exec "$H_ID-sw" nft -f -
}

host_start()		# host_start N: boots n<N>, address 10.77.0.<N>
{
	local ns=$H_ID-n$1 dir=$H_WORK/n$1

	ip netns add "$ns" && ip -n "$ns" link set lo up &&
	    ip -n "$H_ID-sw" link add "v$1" type veth peer name eth0 netns "$ns" &&
	    ip -n "$H_ID-sw" link set "v$1" master br0 up &&
	    ip -n "$ns" addr add "10.77.0.$1/24" dev eth0 && ip -n "$ns" link set eth0 up || return 1
	mkdir -p "$dir/up/etc" "$dir/work" "$dir/root"
	echo "n$1" >"$dir/up/etc/hostname"
	# 133 is a reboot.
	# shellcheck disable=SC2016,SC2209 # for the inner shell, which it replaces
	H_EXEC=exec host_cgroup "n$1" bash -c '
		mount -t overlay ov -o "lowerdir=$0/base,upperdir=$1/up,workdir=$1/work" "$1/root" || exit 1
		rc=133
		while [ $rc = 133 ]; do
			systemd-nspawn -q --register=no --keep-unit -D "$1/root" -M "$2" --boot \
			    --console=pipe --link-journal=no "--network-namespace-path=/run/netns/$3"
			rc=$?
		done' "$H_WORK" "$dir" "n$1" "$ns" </dev/null >"$dir/console" 2>&1 &
	H_PID[$1]=$!
}

host_leader()		# its PID 1, seen from outside: another one after a reboot
{
	local nspawn

	nspawn=$(pgrep -P "${H_PID[$1]}" systemd-nspawn) && pgrep -o -P "$nspawn"
}

# on N COMMAND...: 99 when the host is not there.  With HOST_WITHIN no longer than so many seconds.
# Whoever is in a host that goes down may be left stopped for ever, and the host waits for it:
# to see whether it is down, look at host_leader.
on()
{
	local leader

	leader=$(host_leader "$1") || return 99
	shift
	${HOST_WITHIN:+timeout -s KILL "$HOST_WITHIN"} nsenter -t "$leader" -m -p -i -u -n -C -- "$@"
}

host_up()
{
	case $(on "$1" systemctl is-system-running 2>/dev/null) in
	running | degraded) ;;
	*) return 1 ;;
	esac
}

hosts_cut()		# hosts_cut N: nothing goes to it or comes from it
{
	printf 'add rule bridge part pf iifname "v%s" drop\nadd rule bridge part pf oifname "v%s" drop\n' "$1" "$1" |
	    ip netns exec "$H_ID-sw" nft -f -
}

hosts_heal()
{
	ip netns exec "$H_ID-sw" nft flush chain bridge part pf
}

hosts_end()
{
	local i cgroup leader

	for i in "${!H_PID[@]}"; do
		on "$i" systemctl poweroff --no-block 2>/dev/null </dev/null
	done
	for i in "${!H_PID[@]}"; do
		if ! timeout 20 tail --pid="${H_PID[$i]}" -f /dev/null; then
			leader=$(host_leader "$i") && kill -KILL "$leader"
			timeout 10 tail --pid="${H_PID[$i]}" -f /dev/null || kill -KILL "${H_PID[$i]}"
		fi
		ip netns del "$H_ID-n$i"
	done
	ip netns del "$H_ID-sw" 2>/dev/null
	cgroup=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/$H_ID
	[ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
	return 0
}

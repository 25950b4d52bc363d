# shellcheck shell=bash
# Hosts with addresses of their own, each in a network namespace, joined by netswitch; on each a node that
# knows the others by links.  Host n3 has the address 10.77.0.3, and its node is n3.

export HL_CARRIER="link"
load ../functional/node.bash

HL_SWITCH=$HL_BUILD/test/netns/netswitch
HL_SEED=${HL_SEED:-1}

net_begin()	# net_begin N: so many hosts, and nothing wrong between them
{
	local i

	hl_begin
	for ((i = 1; i <= $1; i++)); do
		ip netns add "$(namespace "n$i")"
	done
	net_switch
	wait_until 10 net reset || cat "$HL_T/switch.log"
	for ((i = 1; i <= $1; i++)); do
		host_up "$i"
	done
}

# Descriptors of bats must not be held open by it.
net_switch()
{
	(
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || eval "exec $fd>&-"
		done
		exec "$HL_SWITCH" "$HL_T/switch" "$HL_SEED" $(net_namespaces) >"$HL_T/switch.log" 2>&1 </dev/null
	) &
	echo $! >"$HL_T/switch.pid"
	disown $!
}

net_missing()	# says what is missing
{
	local try=hl$$-try

	[ "$(id -u)" = 0 ] || { echo "not root"; return; }
	ip netns add "$try" 2>/dev/null || { echo "may not make network namespaces"; return; }
	ip -n "$try" tuntap add dev tap0 mode tap 2>/dev/null || echo "may not make TAP devices"
	ip netns del "$try"
}

net_namespaces()
{
	ls -d /run/netns/hl"$HL_OWNER"-n*
}

namespace()	# namespace NODE
{
	echo "hl$HL_OWNER-$1"
}

host_up()	# host_up N
{
	local ns

	ns=$(namespace "n$1")
	ip -n "$ns" link set lo up
	ip -n "$ns" link set tap0 address "02:00:00:00:00:0$1"
	ip -n "$ns" addr add "10.77.0.$1/24" dev tap0
	ip -n "$ns" link set tap0 up
}

# Rules of the network; see netswitch.c.
net()		# net reset, or: net FROM TO KEY=VALUE..., where all is everybody
{
	local words=("$@")

	words=("${words[@]/#all/0}")
	words=("${words[@]/#n/}")
	"$HL_SWITCH" "$HL_T/switch" "${words[*]}"
}

net_between()	# net_between A B KEY=VALUE...: in both directions
{
	net "$1" "$2" "${@:3}"
	net "$2" "$1" "${@:3}"
}

within()
{
	echo "nsenter --net=/run/netns/$(namespace "$1")"
}

node_address()
{
	echo "10.77.0.${1#n}"
}

setup_file()
{
	HL_NO_NET=$(net_missing)
	export HL_NO_NET
	[ -n "$HL_NO_NET" ] || start_nodes
}

setup()
{
	[ -z "$HL_NO_NET" ] || skip "no hosts in namespaces here: $HL_NO_NET"
}

# What is in a namespace keeps it: nodes end first.
teardown_file()
{
	local rc=0 switch ns

	[ -n "${HL_T:-}" ] || return 0
	switch=$(cat "$HL_T/switch.pid") || rc=1
	hl_end || rc=1
	[ -z "$switch" ] || kill "$switch" || rc=1
	for ns in $(net_namespaces); do
		ip netns del "${ns##*/}" || rc=1
	done
	return $rc
}

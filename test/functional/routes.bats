#!/usr/bin/env bats
# Links that servers made because they heard of each other do not outlive the last route to a node.

load node.bash

start_nodes()
{
	for n in n1 n2 n3 n4; do
		node_make $n
		node_run $n
	done
	for n in n1 n2 n3 n4; do
		wait_until 20 node_ready $n
	done
}

routes_to()	# routes_to NODE...: as JSON
{
	local n list=

	for n in "$@"; do
		list+=",{\"host\":\"127.0.0.1\",\"port\":$(port "$n" cluster)}"
	done
	echo "[${list:1}]"
}

set_routes()	# set_routes NODE OTHER...
{
	ok "$1" "{\"operation\":\"cluster_set_routes\",\"server\":\"hub\",\"routes\":$(routes_to "${@:2}")}"
}

delete_routes()	# delete_routes NODE OTHER...
{
	ok "$1" "{\"operation\":\"cluster_delete_routes\",\"routes\":$(routes_to "${@:2}")}" \
	    ".deleted | length == $(($# - 1))"
}

meshes()	# meshes "NODE..."...: the nodes of each list see each other and nobody else
{
	local list n

	for list in "$@"; do
		for n in $list; do
			in_network $n $(printf '%s\n' $list | grep -vx $n) || return 1
		done
	done
}

stay()		# stay SECONDS MESHES...: the same links all the time
{
	local end=$((SECONDS + $1)) pids

	pids=$(cat "$HL_T"/nodes/*/root/clustering/hub/hub.pid)
	while [ $SECONDS -lt $end ]; do
		meshes "${@:2}" || return 1
	done
	[ "$(cat "$HL_T"/nodes/*/root/clustering/hub/hub.pid)" = "$pids" ]
}

# A hubd asks its server each 5 s where its routes lead, and says so when it is asked next: one whose
# route is deleted before that has not said that it had it, and the links stay, in doubt.
all_told()	# all_told MESHES...
{
	stay 8 "$@"
}

unrouted()	# unrouted NODE OTHER...: it is warned that no route leads to it
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e --arg nodes "${*:2}" '.warnings[] |
	    select(.kind == "unrouted").nodes == ($nodes | split(" "))'
}

@test "a node without routes leaves the mesh when the only one to it is deleted" {
	set_routes n1 n2 n3
	wait_until 20 meshes "n1 n2 n3" n4
	all_told "n1 n2 n3" n4
	delete_routes n1 n3
	wait_until 40 meshes "n1 n2" n3 n4
	grep 'leaves the mesh' "$HL_T/nodes/n3/log"
	! grep 'leaves the mesh' "$HL_T/nodes/n2/log" || return 1
}

@test "it stays while a node that has one is away, and when its route is there again at once" {
	set_routes n1 n3 n4
	set_routes n2 n3
	wait_until 20 meshes "n1 n2 n3 n4"
	node_stop n2
	delete_routes n1 n3
	delete_routes n1 n4
	set_routes n1 n4
	wait_until 20 meshes "n1 n3 n4"
	stay 13 "n1 n3 n4"
	! unrouted n3 n1 n4 || return 1
}

@test "whoever deletes its last route lets all go that nobody else has one to" {
	node_run n2
	wait_until 20 meshes "n1 n2 n3 n4"
	all_told "n1 n2 n3 n4"
	delete_routes n2 n3
	delete_routes n1 n2 n4
	wait_until 40 meshes n1 n2 n3 n4
}

@test "in doubt the links stay, which is warned of, and a restart ends them" {
	set_routes n1 n2 n3
	ok n1 '{"operation":"cluster_set_routes","server":"hub","routes":[{"host":"127.0.0.1","port":1}]}'
	wait_until 20 meshes "n1 n2 n3" n4
	delete_routes n1 n3
	wait_until 40 unrouted n3 n1 n2
	ok n3 '{"operation":"restart_service","service":"clustering"}'
	wait_until 20 meshes "n1 n2" n3 n4
	wait_until 20 node_ready n3
	! unrouted n3 n1 n2 || return 1
}

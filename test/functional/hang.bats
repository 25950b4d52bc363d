#!/usr/bin/env bats
# hubd or leafd hangs: opsd notices, says so and counts it as away; `hubleaf run` ends it and
# starts it anew.

load node.bash

start_nodes()
{
	# One that is left alone, one that is watched closely.
	node_make n1 DAEMONS_HANGTIMEOUT=600000
	node_make n2 DAEMONS_HANGTIMEOUT=6000 \
	    CLUSTERING_HUBSERVER_CLUSTER_NETWORK_ROUTES="[{\"host\":\"127.0.0.1\",\"port\":$(port n1 cluster)}]"
	node_run n1
	node_run n2
	wait_until 20 node_ready n1
	wait_until 20 node_ready n2
	wait_until 20 in_network n2 n1
}

warned()	# warned NODE DAEMON TEXT
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e ".warnings | map(select(.kind == \"daemon\" and .daemon == \"$2\" and (.message | contains(\"$3\")))) | length == 1"
}

up()		# up NODE DAEMON 0|1
{
	curl -s -m 10 -u admin:admin-secret "http://127.0.0.1:$(port "$1" api)/metrics" |
	    grep -qx "hubleaf_daemon_up{daemon=\"$2\"} $3"
}

has_passed()	# has_passed SECONDS: since $since
{
	[ $((SECONDS - since)) -ge "$1" ]
}

@test "hubd and leafd that do not answer: said, counted as away, and back when they answer" {
	node_kill n1 hubd STOP
	node_kill n1 leafd STOP
	for d in hubd leafd; do
		wait_until 25 warned n1 $d 'does not answer'
		up n1 $d 0
	done
	ok n1 '{"operation":"cluster_status"}' '.servers == {"hub":null,"leaf":null}'
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" status json=true |
	    jq -e '.clustering | .hub_server.status == "errored" and .leaf_server.status == "errored"'
	# No reason to refuse writes.
	[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(port n1 api)/health")" = 200 ]
	node_kill n1 hubd CONT
	node_kill n1 leafd CONT
	wait_until 20 node_ready n1
	up n1 hubd 1
	up n1 leafd 1
	wait_until 20 in_network n1 n2
	wait_until 10 no_warnings n1
}

@test "hubleaf run ends one that hangs, and starts it anew" {
	local d pid=()

	for d in hubd leafd opsd; do
		pid[${#pid[@]}]=$(node_pid n2 $d)
		node_kill n2 $d STOP
	done
	for d in hubd leafd opsd; do
		wait_until 25 gone "${pid[0]}"
		pid=("${pid[@]:1}")
	done
	wait_until 25 node_ready n2
	wait_until 20 in_network n2 n1
	wait_until 10 no_warnings n2
	grep -q 'hubd .*is killed' "$HL_T/nodes/n2/log"
}

@test "hubleaf run that was stopped itself ends nobody" {
	local pids

	pids=$(node_pid n2 opsd) pids+=" $(node_pid n2 hubd) $(node_pid n2 leafd)"
	node_kill n2 run STOP
	since=$SECONDS
	wait_until 15 has_passed 8
	node_kill n2 run CONT
	# One that ends is started, and so it looked.
	node_kill n2 leafd KILL
	wait_until 10 node_ready n2
	[ "${pids% *}" = "$(node_pid n2 opsd) $(node_pid n2 hubd)" ]
}

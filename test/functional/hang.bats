#!/usr/bin/env bats
# hubd or leafd hangs: opsd notices, says so and counts it as away.

load node.bash

start_nodes()
{
	node_make n1
	node_make n2 \
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

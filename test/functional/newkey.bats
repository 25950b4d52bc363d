#!/usr/bin/env bats
# A node that comes back under its name with another key: refused by all, until it is removed and added again.
# n1, n2 and n3 have certificates of one authority, which none of them has; n1 has the address 127.0.1.1, and so on.

load node.bash
load certs.bash

start_nodes()
{
	local n

	link_port=$(hl_ports)
	export link_port
	authority ours
	for n in n1 n2 n3; do
		node_make $n CLUSTERING_ENABLED=false
		key $n
		cat >>"$HL_T/nodes/$n/hubleaf.yaml" <<-END
		replication:
		  hostname: $(host $n)
		  securePort: $(host $n):$link_port
		  enableRootCAs: false
		  tls:
		    certificate: $HL_T/nodes/$n/node.pem
		    privateKey: $HL_T/nodes/$n/node.key
		    certificateAuthority: $HL_T/ca.ours/ca.pem
		END
	done
	routes n1 n2 n3
	routes n2 n1
	routes n3 n1
	for n in n1 n2 n3; do
		node_run $n
	done
	make_table n1 t
}

routes()	# routes NODE OTHER...: in its file
{
	local n

	echo "  routes:" >>"$HL_T/nodes/$1/hubleaf.yaml"
	for n in "${@:2}"; do
		echo "  - wss://$(host $n):$link_port" >>"$HL_T/nodes/$1/hubleaf.yaml"
	done
}

host()
{
	echo "127.0.1.${1#n}"
}

key()		# key NODE: a new one, with a certificate for it
{
	certificate ours "$1" serverAuth,clientAuth "IP:$(host "$1")"
	cp "$HL_T/ca.ours/$1.pem" "$HL_T/nodes/$1/node.pem"
	cp "$HL_T/ca.ours/$1.key" "$HL_T/nodes/$1/node.key"
}

linked()	# linked NODE OTHER...: with these, and no others
{
	local node=$1 names

	shift
	names=$(for n in "$@"; do host "$n"; done | jq -Rsc 'split("\n") | map(select(. != "")) | sort')
	ask "$node" '{"operation":"cluster_status"}' |
	    jq -e "[.connections[] | select(.status == \"open\") | .node_name] | sort == $names"
}

warned()	# warned NODE KIND TEXT
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e --arg kind "$2" --arg text "$3" \
	    'any(.warnings[]; .kind == $kind and (.message | contains($text)))'
}

all_linked()	# and what one writes comes to another
{
	wait_until 20 linked n1 n2 n3
	wait_until 20 linked n2 n1 n3
	wait_until 20 linked n3 n1 n2
	insert n2 t "{\"id\":\"$BATS_TEST_NUMBER\"}"
	wait_until 20 has_row n3 t "\"$BATS_TEST_NUMBER\""
}

anew()		# anew NODE: another machine takes its place
{
	node_stop "$1"
	rm -rf "$(root "$1")"
	mkdir "$(root "$1")"
	key "$1"
	node_run "$1"
}

add()		# add NODE: by hand, on n1
{
	echo "{\"operation\":\"add_node\",\"hostname\":\"$(host "$1")\",\"port\":$link_port}"
}

@test "who has another key is refused by all; removed by one and added by hand, it is in with all" {
	local why='shows another key than before: if it was given a new one, run remove_node with "node_name": "127.0.1.2" on this node, then add_node'

	all_linked
	node_stop n2
	key n2
	node_run n2
	wait_until 20 warned n1 link_refused "'127.0.1.2' $why"
	wait_until 20 warned n3 link_refused "'127.0.1.2' $why"
	wait_until 20 warned n2 link_failing "$why"
	refused n1 504 "$(add n2)" "${why//\"/\\\"}\"}"
	linked n1 n3
	ok n1 '{"operation":"remove_node","node_name":"127.0.1.2"}'
	wait_until 20 warned n3 link_refused "'127.0.1.2' was removed from the cluster by '127.0.1.1'"
	ok n1 "$(add n2)"
	all_linked
}

@test "another machine under the name is refused by all, also by who has no route to it; then as before" {
	local why='has another node id than before: if it was installed anew, run remove_node with "node_name": "127.0.1.2" on this node, then add_node'

	# n1 has none any more, by remove_node.
	anew n2
	wait_until 20 warned n1 link_refused "'127.0.1.2' $why"
	wait_until 20 warned n2 link_failing "$why"
	refused n1 504 "$(add n2)" "${why//\"/\\\"}\"}"
	linked n1 n3
	ok n1 '{"operation":"remove_node","node_name":"127.0.1.2"}'
	ok n1 "$(add n2)"
	all_linked
}

@test "the same where it was removed while it was away" {
	node_stop n2
	ok n3 '{"operation":"remove_node","node_name":"127.0.1.2"}'
	wait_until 20 linked n1 n3
	key n2
	node_run n2
	wait_until 20 warned n1 link_refused "'127.0.1.2' was removed from the cluster by '127.0.1.3'"
	ok n1 "$(add n2)"
	all_linked
	node_stop n2
	ok n3 '{"operation":"remove_node","node_name":"127.0.1.2"}'
	wait_until 20 linked n1 n3
	anew n2
	wait_until 20 warned n1 link_refused "'127.0.1.2' is no member of this cluster: add_node it on the node that refuses it"
	ok n1 "$(add n2)"
	all_linked
}

#!/usr/bin/env bats
# A pair of nodes over NATS that gets a link, loses it and gets it again: nothing is lost or copied.

load node.bash
load certs.bash

start_nodes()
{
	authority ours
	make_both n1 127.0.1.5
	make_both n2 127.0.1.6
	mesh n1 n2
	make_table n1 dog
	subscribe n1 n2 dog
}

make_both()	# make_both NODE ADDRESS: in a NATS cluster, and with all that a link needs but a route
{
	node_make "$1"
	echo "$2" >"$HL_T/nodes/$1/address"
	certificate ours "$1" serverAuth,clientAuth "IP:$2"
	cat >>"$HL_T/nodes/$1/hubleaf.yaml" <<-END
	replication:
	  hostname: $2
	  securePort: $2:$(link_port "$1")
	  enableRootCAs: false
	  tls:
	    certificate: $HL_T/ca.ours/$1.pem
	    privateKey: $HL_T/ca.ours/$1.key
	    certificateAuthority: $HL_T/ca.ours/ca.pem
	END
	node_run "$1"
	wait_until 20 node_ready "$1"
}

link_port()
{
	echo $(($(port "$1" api) + 2))
}

link_to()	# link_to A B [SERIAL]: a route of A's, which revokes the certificate
{
	ok "$1" "{\"operation\":\"set_configuration\",\"replication_routes\":[{\"port\":$(link_port "$2"),
	    \"hostname\":\"$(cat "$HL_T/nodes/$2/address")\",\"revokedCertificates\":[${3:+\"$3\"}]}]}"
}

linked()
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e '.connections[0].database_sockets[0].connected'
}

unlinked()
{
	! linked "$1"
}

both_ways()	# both_ways ID: a row from each, which the other gets
{
	insert n1 dog "{\"id\":\"$1 of n1\"}"
	insert n2 dog "{\"id\":\"$1 of n2\"}"
	wait_until 20 has_row n2 dog "\"$1 of n1\""
	wait_until 20 has_row n1 dog "\"$1 of n2\""
}

@test "over NATS, over a link, over NATS, over a link: all arrives, and nothing is copied" {
	local serial

	both_ways before
	link_to n1 n2
	wait_until 20 linked n1
	wait_until 20 linked n2
	both_ways linked
	serial=$(openssl x509 -in "$HL_T/ca.ours/n2.pem" -noout -serial)
	link_to n1 n2 "${serial#*=}"
	wait_until 10 unlinked n1
	wait_until 10 unlinked n2
	both_ways without
	link_to n1 n2
	wait_until 40 linked n1
	both_ways again
	[ "$(rows n1 dev dog)" = "$(rows n2 dev dog)" ]
	[ "$(rows n1 dev dog | wc -l)" = 8 ]
	! grep -h "copy of" "$(root n1)/log/opsd.log" "$(root n2)/log/opsd.log" || false
}

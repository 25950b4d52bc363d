#!/usr/bin/env bats
# What is at the other end of a link: a node whose certificate is revoked, or of another authority, and a WebSocket
# of another make (test/client/link.test.js), a proxy on the way.  n1 has the address 127.0.1.1, and so on.

load node.bash
load certs.bash

link_node()	# link_node N ROUTES: made, on addresses and with a certificate of its own
{
	local i=${1#n} node=$1

	certificate x "$node" serverAuth,clientAuth "IP:127.0.1.$i"
	node_make "$node" CLUSTERING_ENABLED=false "REPLICATION_HOSTNAME=127.0.1.$i" \
	    "REPLICATION_SECUREPORT=127.0.1.$i:$link_port" \
	    "REPLICATION_TLS_CERTIFICATE=$HL_T/ca.x/$node.pem" \
	    "REPLICATION_TLS_PRIVATEKEY=$HL_T/ca.x/$node.key" \
	    "REPLICATION_TLS_CERTIFICATEAUTHORITY=$HL_T/ca.x/ca.pem"
	printf 'replication:\n  routes: [%s]\n' "$2" >>"$HL_T/nodes/$node/hubleaf.yaml"
}

start_nodes()
{
	link_port=$(hl_ports)
	export link_port
	authority x
	link_node n1 "\"wss://127.0.1.2:$link_port\", \"wss://127.0.1.9:$link_port\""
	link_node n2 "\"wss://127.0.1.1:$link_port\""
	node_run n1
	node_run n2
	wait_until 20 has_links n1 1
	wait_until 20 has_links n2 1
	make_table n1 t
}

has_links()	# has_links NODE N: so many that are up
{
	[ "$(ask "$1" '{"operation":"cluster_status"}' |
	    jq '[.connections[] | select(.status == "open")] | length')" = "$2" ]
}

routes()	# routes REVOKED-SERIALS: what n1 is told of the others
{
	ok n1 "{\"operation\":\"set_configuration\",\"replication_routes\":[\"wss://127.0.1.9:$link_port\",
	    {\"hostname\":\"127.0.1.2\",\"port\":$link_port,\"revokedCertificates\":[$1]}]}"
}

peer()	# peer NAME: the tests of test/client/link.test.js, as node NAME
{
	npm_packages client
	cd "$HL_T/client" || return 1
	HL_LINK_URL=wss://127.0.1.1:$link_port/replication HL_LINK_PORT=$link_port HL_LINK_HOST=127.0.1.9 \
	    HL_LINK_CERTS=$HL_T/ca.x HL_LINK_NAME=$1 HL_FORMAT=$(wire_format) timeout 120 node --test link.test.js
}

@test "a WebSocket of another make links, as client and as server" {
	certificate x n9 serverAuth,clientAuth IP:127.0.1.9
	peer n9
}

@test "a link ends when a certificate is revoked, and comes when it is not any more" {
	local serial

	serial=$(openssl x509 -in "$HL_T/ca.x/n2.pem" -noout -serial)
	routes "\"${serial#*=}\""
	wait_until 10 has_links n1 0
	wait_until 10 has_links n2 0
	wait_until 10 grep -qE "the certificate with serial number [0-9a-f]+ is revoked" "$HL_T/nodes/n2/log"
	routes ""
	wait_until 40 has_links n1 1
	insert n1 t '{"id":"after"}'
	wait_until 20 has_row n2 t '"after"'
}

@test "a certificate of another authority gets no link" {
	authority y
	certificate y n3 serverAuth,clientAuth IP:127.0.1.3
	link_node n3 "\"wss://127.0.1.1:$link_port\""
	sed -i "s|ca.x/n3|ca.y/n3|" "$HL_T/nodes/n3/env"
	node_run n3
	wait_until 20 grep -q "link: no link to wss://127.0.1.1:$link_port: the other node refuses this node.s certificate: no authority that the other node trusts has signed it .*unknown ca" "$HL_T/nodes/n3/log"
	has_links n3 0
	node_stop n3
}

proxy()		# proxy PORT...: tinyproxy on $proxy_port, which connects to these and to no others
{
	# shellcheck disable=SC2016 # of printf
	{
		printf 'Port %s\nListen 127.0.0.1\nLogFile "%s"\nLogLevel Connect\n' "$proxy_port" "$HL_T/proxy.log"
		printf 'ConnectPort %s\n' "$@"
	} >"$HL_T/proxy.conf"
	tinyproxy -d -c "$HL_T/proxy.conf" >/dev/null 2>&1 3>&- </dev/null &
	echo $! >"$HL_T/proxy.pid"
	disown $!
	wait_until 10 eval '[ -n "$(ss -Hltn "sport = $proxy_port")" ]'
}

proxy_ends()
{
	local pid

	pid=$(cat "$HL_T/proxy.pid")
	kill "$pid"
	wait_until 10 gone "$pid"
}

failing()	# failing NODE TEXT: it says so of a link that it dials
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e --arg text "$2" \
	    'any(.warnings[]; .kind == "link_failing" and (.message | contains($text)))'
}

@test "a node that gets out only by a proxy: links both ways, what the proxy refuses is said" {
	proxy_port=$(hl_ports)
	proxy 443
	# Nobody can dial n4.
	ok n1 '{"operation":"cluster_set_routes","routes":["wss://127.0.1.4:1"]}'
	link_node n4 "\"wss://127.0.1.1:$link_port\""
	echo "REPLICATION_PROXY=127.0.0.1:$proxy_port" >>"$HL_T/nodes/n4/env"
	node_run n4
	wait_until 20 failing n4 "proxy 127.0.0.1: its answer is '403 "
	proxy_ends
	wait_until 20 failing n4 "proxy 127.0.0.1:$proxy_port: Connection refused"
	proxy "$link_port"
	wait_until 40 has_links n4 2 # the others learn of it from n1
	insert n1 t '{"id":"out"}'
	wait_until 20 has_row n4 t '"out"'
	insert n4 t '{"id":"in"}'
	wait_until 10 has_row n1 t '"in"'
	grep -q "CONNECT 127.0.1.1:$link_port" "$HL_T/proxy.log"
	node_stop n4
	proxy_ends
}

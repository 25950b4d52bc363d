#!/usr/bin/env bats
# Certificates that get no link, and why: in the log and in the status of both ends.

load net.bash

start_nodes()
{
	net_begin 2
	node_start n1
	node_start n2
	mesh n1 n2
	make_table n1 t
	subscribe n1 n2 t
	insert n1 t '{"id":"linked"}'
	wait_until 10 has_row n2 t '"linked"'
	cp -r "$HL_T/ca.links" "$HL_T/good"
}

as()		# as FOLDER NAME: n2 comes back with another certificate
{
	node_stop n2
	cp "$1/$2.pem" "$HL_T/ca.links/n2.pem"
	cp "$1/$2.key" "$HL_T/ca.links/n2.key"
	node_run n2
}

said()		# said NODE TEXT: in its status and in its log
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e --arg text "$2" \
	    'any(.warnings[]; (.kind | startswith("link_")) and (.message | contains($text)))' || return 1
	grep -qF -- "$2" "$HL_T/nodes/$1/log"
}

# What is written on either stays there.
no_link()	# no_link TEXT-OF-N1 TEXT-OF-N2
{
	wait_until 20 said n1 "$1"
	wait_until 20 said n2 "$2"
	in_network n1
	in_network n2
	upsert n1 t '{"id":"apart","of":1}'
	upsert n2 t '{"id":"apart","of":2}'
	has_row n1 t '"apart"' '.of == 1'
}

linked_again()
{
	as "$HL_T/good" n2
	wait_until 40 in_network n1 n2
	same_rows 20 t n1 n2
	has_row n1 t '"apart"' '.of == 2'
	wait_until 10 no_warnings n1
	wait_until 10 no_warnings n2
}

@test "a foreign one" {
	authority foreign
	certificate foreign n2 serverAuth,clientAuth DNS:n2
	as "$HL_T/ca.foreign" n2
	no_link "unable to get local issuer certificate" "no authority that the other node trusts has signed it (tlsv1 alert unknown ca)"
}

@test "an expired one" {
	cp "$HL_T/good/n2.key" "$HL_T/ca.links/old.key"
	expired links n2 "$HL_T/ca.links/old.pem"
	as "$HL_T/ca.links" old
	no_link "the other node's certificate: certificate has expired" "certificate expired"
}

@test "one for another host" {
	certificate links other serverAuth,clientAuth DNS:other
	as "$HL_T/ca.links" other
	no_link "the other node's certificate: hostname mismatch" "its certificate is not one of 'n2'"
}

@test "one with another key than before" {
	certificate links again serverAuth,clientAuth DNS:n2
	as "$HL_T/ca.links" again
	no_link "'n2' shows another key than before" "'n2' shows another key than before"
}

@test "the former one again: linked, and nothing was lost" {
	linked_again
}

revoked()	# revoked SERIALS: n1's route to n2 says so
{
	ok n1 "{\"operation\":\"set_configuration\",\"replication_routes\":[{\"hostname\":\"n2\",
	    \"port\":$(port n2 link),\"revokedCertificates\":[$1]}]}"
}

@test "a revoked one loses its link and gets none, until it is not any more" {
	local serial

	serial=$(openssl x509 -in "$HL_T/good/n2.pem" -noout -serial)
	revoked "\"${serial#*=}\""
	no_link "is revoked" "is revoked"
	revoked ""
	wait_until 40 in_network n1 n2
	same_rows 20 t n1 n2
}

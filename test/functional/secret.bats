#!/usr/bin/env bats
# Links as they are by default: by an authority that each node makes of the cluster's secret.

load node.bash
load certs.bash

start_nodes()
{
	node_start n1
	node_start n2 CLUSTERING_TLS_SECRETOVERLAP=32
	mesh n1 n2
	make_table n1 t
	subscribe n1 n2 t
}

log_says()	# log_says NODE TEXT
{
	grep -qF -- "$2" "$HL_T/nodes/$1/log"
}

warned()	# warned NODE KIND TEXT
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e --arg k "$2" --arg t "$3" 'any(.warnings[]; .kind == $k and (.message | contains($t)))'
}




flows()		# flows ID: from each to the other
{
	insert n1 t "{\"id\":\"1 $1\"}" && insert n2 t "{\"id\":\"2 $1\"}" &&
	    wait_until 20 has_row n2 t "\"1 $1\"" && wait_until 20 has_row n1 t "\"2 $1\""
}

@test "nodes of one name and password verify each other, with nothing but that" {
	local n

	flows first
	for n in n1 n2; do
		no_warnings $n
		grep -q 'verify: true' "$(root $n)/clustering/hub/hub.conf"
		! grep -q 'insecure: true' "$(root $n)/clustering/hub/hub.conf" "$(root $n)/clustering/leaf.conf" || return 1
	done
	# Each has a certificate of its own, which passes with the other's authority.
	openssl verify -CAfile "$(root n1)/keys/links-authority.pem" "$(root n2)/keys/links.pem"
	openssl verify -CAfile "$(root n2)/keys/links-authority.pem" -purpose sslclient "$(root n1)/keys/links.pem"
	! cmp "$(root n1)/keys/links-authority.pem" "$(root n2)/keys/links-authority.pem" || return 1
	openssl x509 -in "$(root n1)/keys/links.pem" -noout -ext subjectAltName >"$HL_T/names"
	grep -q "IP Address:127.0.0.1" "$HL_T/names"
	grep -q "DNS:localhost" "$HL_T/names"
	# So that a server which dials itself gets far enough to see that.
	grep -qF "IP Address:0.0.0.0" "$HL_T/names"
	grep -q "DNS:$(uname -n)" "$HL_T/names"
	# Nor is the password in what one says to the other.
	[ "$(grep -c cluster-secret "$(root n2)/clustering/hub/hub.conf")" = 1 ]
	! grep 'urls\|route://\|tls://' "$(root n2)/clustering/"{hub/hub,leaf}.conf | grep cluster-secret || return 1
	ok n1 '{"operation":"list_certificates"}' 'map(.name) == ["keys/links.pem","keys/links-authority.pem"] and
	    .[1].is_authority and (.[0].details.issuer == .[1].details.subject)'
}

@test "a leaf link is known by its certificate: no password goes over it, and its user is good for nothing else" {
	local conf user

	conf="$(root n1)/clustering/hub/hub.conf"
	[ "$(grep -c 'verify_and_map: true' "$conf")" = 1 ]
	! grep -E 'tls://[^"]*@' "$(root n1)/clustering/leaf.conf" || return 1
	user=$(grep -o 'link-[0-9a-f]*' "$conf")
	openssl x509 -in "$(root n2)/keys/links.pem" -noout -ext subjectAltName >"$HL_T/names"
	grep -q "DNS:node-[0-9a-f]\{32\}.hubleaf, .*DNS:$user" "$HL_T/names"
	[[ $(says_connect "{\"user\":\"$user\"}") = *"Authorization Violation"* ]]
	# As who has a password is let in there.
	[[ $(says_connect '{"user":"cluster","pass":"cluster-secret"}') = *PONG* ]]
}

says_connect()	# says_connect OPTIONS: what n1's hub server says to a client with these
{
	local fd

	exec {fd}<>"/dev/tcp/127.0.0.1/$(port n1 hub)"
	printf 'CONNECT %s\r\nPING\r\n' "$1" >&"$fd"
	timeout 3 head -n 3 <&"$fd" || :
	exec {fd}>&-
}

@test "a start derives nothing: what was derived is kept, sealed" {
	local before

	before=$(serial_of_file n2)
	[ "$(stat -c %a "$(root n2)/keys/links.secret")" = 600 ]
	cp "$(root n2)/keys/links.secret" "$HL_T/kept"
	node_stop n2
	node_run n2
	wait_until 20 node_ready n2
	cmp "$(root n2)/keys/links.secret" "$HL_T/kept"
	[ "$(serial_of_file n2)" != "$before" ]
	flows restarted
	# What is broken is made anew.
	node_stop n2
	echo broken >"$(root n2)/keys/links.secret"
	rm "$(root n2)/keys/links.pem" "$(root n2)/keys/links-authority.pem"
	node_run n2
	flows "made anew"
	! grep -q broken "$(root n2)/keys/links.secret" || return 1
}

serial_of_file()
{
	openssl x509 -in "$(root "$1")/keys/links.pem" -noout -serial
}

@test "a new certificate when one of the host's addresses is missing: links stay" {
	local pids before

	[ "$(id -u)" = 0 ] && ip addr add 127.77.0.9/32 dev lo || skip "no address can be added here"
	before=$(serial_of_file n2)
	pids="$(node_pid n2 hub) $(node_pid n2 leaf)"
	wait_until 20 eval 'openssl x509 -in "$(root n2)/keys/links.pem" -noout -ext subjectAltName | grep -q 127.77.0.9' || {
		ip addr del 127.77.0.9/32 dev lo
		return 1
	}
	ip addr del 127.77.0.9/32 dev lo
	[ "$(serial_of_file n2)" != "$before" ]
	# The servers took it over without a restart.
	wait_until 10 eval '[ "$(presented n2)" = "$(serial_of_file n2)" ]'
	[ "$pids" = "$(node_pid n2 hub) $(node_pid n2 leaf)" ]
	! log_says n2 "Failed to reload" || return 1
	flows "another address"
}

@test "renewed when half of its time is over, and when the clock was wrong as it was made" {
	local days=86400000 n=timed before

	node_make $n
	printf '%-16d' 0 >"$HL_T/clock"
	printf '%s\n' "HL_CLOCK=$HL_T/clock" "LD_PRELOAD=$HL_BUILD/test/functional/clock.so" >>"$HL_T/nodes/$n/env"
	node_run $n
	wait_until 20 node_ready $n
	before=$(serial_of_file $n)
	printf '%-16d' $((44 * days)) 1<>"$HL_T/clock"
	! wait_until 1 renewed $n "$before" || return 1
	printf '%-16d' $((46 * days)) 1<>"$HL_T/clock"
	wait_until 10 renewed $n "$before"
	before=$(serial_of_file $n)
	printf '%-16d' 0 1<>"$HL_T/clock"
	wait_until 10 renewed $n "$before"
	node_stop $n
}

renewed()	# renewed NODE SERIAL: which it had
{
	[ "$(serial_of_file "$1")" != "$2" ]
}

presented()	# presented NODE: the serial number that its route port shows
{
	timeout 5 openssl s_client -connect "127.0.0.1:$(port "$1" cluster)" </dev/null 2>/dev/null | openssl x509 -noout -serial
}

@test "a stranger with another secret is refused, and both say why" {
	other_secret stranger "another secret of others"
	route stranger n1
	other_name stranger n2
	wait_until 10 warned stranger handshake "signed by unknown authority"
	wait_until 10 warned stranger handshake "The cluster user's name or password there differs from the one here"
	wait_until 10 warned n1 handshake "other end refuses"
	wait_until 5 log_says stranger "The cluster user's name or password there differs from the one here"
	in_network n1 n2
	in_network stranger
	node_stop stranger
}

other_name()	# other_name A B: A's leaf dials B's hub, as the same host twice is taken for one mesh
{
	ok "$1" "{\"operation\":\"cluster_set_routes\",\"server\":\"leaf\",\"routes\":[
	    {\"host\":\"localhost\",\"port\":$(port "$2" leafnodes)}]}"
}

other_secret()	# other_secret NODE SECRET [KEY=VALUE...]: a node that has that one
{
	node_make "$1" "${@:3}"
	printf '%s\n' CLUSTERING_USER=cluster CLUSTERING_PASSWORD="$2" HDB_ADMIN_USERNAME="$HL_USER" \
	    HDB_ADMIN_PASSWORD="$HL_PASSWORD" >>"$HL_T/nodes/$1/env"
	HL_NO_USERS=1 node_run "$1"
	wait_until 20 node_ready "$1"
}

# A server of somebody who wants the password: with a certificate of an authority that he made, which
# says so when somebody logs in.
strangers_server()
{
	local base d=$HL_T/strangers

	mkdir -p "$d"
	authority strangers
	certificate strangers server
	base=$(hl_ports)
	echo "$base" >"$d/port"
	cat >"$d/conf" <<-END
	server_name: stranger
	host: "127.0.0.1"
	port: $((base + 2))
	trace: true
	debug: true
	cluster { name: "harperdb", host: "127.0.0.1", port: $base
	    tls { cert_file: "$HL_T/ca.strangers/server.pem", key_file: "$HL_T/ca.strangers/server.key"
	        ca_file: "$HL_T/ca.strangers/ca.pem", insecure: true } }
	leafnodes { host: "127.0.0.1", port: $((base + 1))
	    tls { cert_file: "$HL_T/ca.strangers/server.pem", key_file: "$HL_T/ca.strangers/server.key" } }
	END
	"$(readlink "/proc/$(node_pid n1 hub)/exe")" -c "$d/conf" >"$d/log" 2>&1 </dev/null 3>&- &
	echo $! >"$d/pid"
	wait_until 10 grep -q "Server is ready" "$d/log"
}

dial_stranger()	# dial_stranger NODE: by a route and a leaf route
{
	local port

	port=$(cat "$HL_T/strangers/port")
	ok "$1" "{\"operation\":\"cluster_set_routes\",\"server\":\"hub\",\"routes\":[{\"host\":\"127.0.0.1\",\"port\":$port}]}"
	ok "$1" "{\"operation\":\"cluster_set_routes\",\"server\":\"leaf\",\"routes\":[{\"host\":\"localhost\",\"port\":$((port + 1))}]}"
}

logins()	# what somebody logged in with there, the password left out by the server
{
	grep -c 'CONNECT {.*"pass"' "$HL_T/strangers/log" || :
}

@test "whoever answers at a route's address is told no password; without verifying he is" {
	local port

	strangers_server
	node_start dialler
	dial_stranger dialler
	wait_until 10 warned dialler handshake "certificate signed by unknown authority"
	wait_until 10 eval '[ "$(grep -c "handshake error.*certificate" "$HL_T/strangers/log")" -ge 2 ]'
	[ "$(logins)" = 0 ]
	! warned dialler insecure_routes clustering.tls.insecure || return 1
	node_stop dialler
	# The same with what has to be asked for, and says so.
	node_start careless CLUSTERING_TLS_INSECURE=true
	dial_stranger careless
	# Nothing is made of its password.
	ok careless '{"operation":"alter_user","username":"cluster","password":"short"}'
	! warned careless weak_secret short || return 1
	wait_until 20 eval '[ "$(logins)" -ge 1 ]'
	warned careless insecure_routes "to whoever answers at the address of one of its routes"
	log_says careless "clustering.tls.insecure is true"
	node_stop careless
	kill "$(cat "$HL_T/strangers/pid")"
}

shown_to()	# shown_to PORT [OPTION...]: what a program with these options is told over TLS
{
	timeout 5 openssl s_client -quiet -connect "127.0.0.1:$1" "${@:2}" 2>&1 < <(sleep 3) || :
}

@test "whoever has no certificate, or another's, gets nothing of a route" {
	local c=$HL_T/ca.strangers p

	p=$(port n1 cluster)
	[[ $(shown_to "$p" -cert "$(root n2)/keys/links.pem" -key "$(root n2)/keys/privateKey.pem") = *INFO* ]]
	[[ $(shown_to "$p") != *INFO* ]]
	[[ $(shown_to "$p" -cert "$c/server.pem" -key "$c/server.key") != *INFO* ]]
}

@test "an address that is in no certificate: the warning says what to do, and that helps" {
	local far

	# As behind a router: n1 does not know that it has this one.
	far=127.0.0.77
	sed -i "s/^        host: 127.0.0.1\$/        host: 0.0.0.0/; s/^        advertise: .*/        advertise: localhost:$(port n1 cluster)/" \
	    "$HL_T/nodes/n1/hubleaf.yaml"
	node_stop n1
	node_run n1
	wait_until 20 node_ready n1
	node_start out
	ok out "{\"operation\":\"cluster_set_routes\",\"server\":\"hub\",\"routes\":[{\"host\":\"$far\",\"port\":$(port n1 cluster)}]}"
	wait_until 15 warned out handshake "set clustering.hubServer.cluster.network.advertise on it"
	log_says out "set clustering.hubServer.cluster.network.advertise on it"
	sed -i "s/advertise: .*/advertise: $far:$(port n1 cluster)/" "$HL_T/nodes/n1/hubleaf.yaml"
	node_stop n1
	node_run n1
	wait_until 20 in_network out n1 n2
	node_stop out
}

@test "weak passwords are refused, or warned of where they are there already" {
	local weak

	for weak in short aaaaaaaaaaaaaaaa Password1234; do
		refused n1 400 '{"operation":"alter_user","username":"cluster","password":"'$weak'"}' "is the cluster's secret, but this one "
		refused n1 400 '{"operation":"add_user","role":"cluster_user","username":"next","password":"'$weak'","active":true}' \
		    "is the cluster's secret, but"
	done
	refused n1 400 '{"operation":"add_user","role":"cluster_user","username":"next","password":"short","active":true}' "is shorter than 12 characters"
	# Of another role it is as ever.
	ok n1 '{"operation":"add_user","role":"super_user","username":"next","password":"short","active":true}'
	refused n1 400 '{"operation":"alter_user","username":"next","role":"cluster_user","password":"short"}' "is shorter than 12"
	flows "weak were refused"
	other_secret weak short
	warned weak weak_secret "shorter than 12 characters"
	log_says weak "whoever reaches a port of this node can try passwords"
	ok weak '{"operation":"alter_user","username":"cluster","password":"no longer short"}'
	wait_until 10 no_warnings weak
	node_stop weak
}

@test "a secret that the node makes is shown once, and is as good as another" {
	local made

	ok n1 '{"operation":"add_user","role":"cluster_user","username":"made","active":true}' \
	    '(.message | startswith("made successfully added")) and (.password | test("^[0-9a-f]{32}$"))'
	made=$(jq -r .password <<<"$body")
	HL_USER=made HL_PASSWORD=$made ok n1 '{"operation":"user_info"}' '.username == "made"'
	! grep -rqF "$made" "$HL_T/nodes/n1/log" "$(root n1)/log" || return 1
	ok n1 '{"operation":"alter_user","username":"made","password":"'"$made"'"}'
	refused n1 409 '{"operation":"add_user","role":"cluster_user","username":"made","active":true}' "already exists"
	# No other user's is made.
	refused n1 400 '{"operation":"add_user","role":"super_user","username":"other"}' "'password' is required"
	refused n1 400 '{"operation":"add_user","role":"cluster_user","username":"other","password":""}' "'password'"
	ok n1 '{"operation":"drop_user","username":"made"}'
}

new_secret()	# new_secret NODE SECRET
{
	ok "$1" "{\"operation\":\"alter_user\",\"username\":\"cluster\",\"password\":\"$2\"}"
}

authorities()	# authorities NODE N: that many it believes
{
	[ "$(grep -c BEGIN "$(root "$1")/keys/links-authority.pem")" = "$2" ]
}

issuer()
{
	openssl x509 -in "$(root "$1")/keys/links.pem" -noout -issuer
}

key_of()	# key_of NODE: as list_certificates shows it
{
	ask "$1" '{"operation":"list_certificates"}' |
	    jq -r '.[] | select(.name == "keys/links.pem").details.public_key_sha256'
}

pin()		# pin NODE OTHER...: these and no others may link with it
{
	local list

	list=$(for other in "${@:2}"; do key_of "$other"; done | jq -R . | jq -sc .)
	ok "$1" "{\"operation\":\"set_configuration\",\"clustering_tls_pinned\":$list}"
}

@test "pinned keys: whoever has another one is out within seconds, and in again without" {
	local key

	node_start third
	route third n1
	other_name third n2
	wait_until 20 in_network third n1 n2
	key=$(openssl x509 -in "$(root n1)/keys/links.pem" -noout -pubkey | openssl pkey -pubin -outform der | sha256sum)
	[ "$(key_of n1)" = "${key%% *}" ]
	pin n1 n2
	pin n2 n1
	wait_until 10 in_network third
	wait_until 10 in_network n1 n2
	wait_until 10 warned n1 handshake "clustering.tls.pinned of this node does not have its key"
	flows "with pins"
	in_network third
	refused n1 400 '{"operation":"set_configuration","clustering_tls_pinned":["ab"]}' "64 hexadecimal digits"
	refused n1 400 '{"operation":"set_configuration","clustering_hubServer_leafNodes_network_websocketPort":9443}' \
	    "do not go together"
	pin n1 n2 third
	pin n2 n1 third
	wait_until 20 in_network third n1 n2
	ok n1 '{"operation":"set_configuration","clustering_tls_pinned":[]}'
	ok n2 '{"operation":"set_configuration","clustering_tls_pinned":[]}'
	node_stop third
	flows "without pins"
}

@test "another password: while only some nodes have it, all are linked" {
	local old

	old=$(issuer n1)
	new_secret n2 "the second secret of all"
	wait_until 10 authorities n2 2
	[ "$(issuer n2)" = "$old" ]
	flows "one has it"
	new_secret n1 "the second secret of all"
	wait_until 10 authorities n1 2
	flows "both have it"
	# After a quarter of the time the new one is shown, after all of it the old one is not believed.
	wait_until 20 eval '[ "$(issuer n2)" != "'"$old"'" ]'
	authorities n2 2
	[ "$(issuer n1)" = "$old" ]
	flows "one shows it"
	wait_until 40 authorities n2 1
	# Who wants no overlap, has none.
	ok n1 '{"operation":"set_configuration","clustering_tls_secretOverlap":0}'
	wait_until 10 authorities n1 1
	[ "$(issuer n1)" = "$(issuer n2)" ]
	wait_until 20 in_network n1 n2
	flows "all is new"
}

@test "who has the password of before stays out" {
	other_secret late cluster-secret
	route late n1
	other_name late n2
	wait_until 10 warned late handshake "signed by unknown authority"
	in_network late
	in_network n1 n2
	node_stop late
}

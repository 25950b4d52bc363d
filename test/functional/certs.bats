#!/usr/bin/env bats
# Certificates of one's own between nodes: signed by one authority, verified both ways.

load node.bash
load certs.bash

start_nodes()
{
	authority ours
	authority theirs
	certs_node n1 ours n1
	certs_node n2 ours n2
	mesh n1 n2
}

tls()		# tls AUTHORITY NAME: what a node needs to use that certificate
{
	echo "CLUSTERING_TLS_CERTIFICATE=$HL_T/ca.$1/$2.pem" \
	    "CLUSTERING_TLS_PRIVATEKEY=$HL_T/ca.$1/$2.key" \
	    "CLUSTERING_TLS_CERTIFICATEAUTHORITY=$HL_T/ca.$1/ca.pem"
}

certs_node()	# certs_node NODE AUTHORITY NAME
{
	certificate "$2" "$3"
	# shellcheck disable=SC2046 # words
	node_start "$1" $(tls "$2" "$3")
}

# ---- refusals at the start ----

refuses_start()	# refuses_start TEXT KEY=VALUE...: opsd ends at once, saying this
{
	local text=$1 dir=$HL_T/nodes/refused

	shift
	rm -rf "$dir"
	node_make refused "$@"
	# shellcheck disable=SC2046 # words
	! env $(cat "$dir/env") CLUSTERING_USER=cluster CLUSTERING_PASSWORD=c timeout 10 \
	    "$HL_BUILD/opsd/opsd" -c "$dir/hubleaf.yaml" >"$dir/log" 2>&1 </dev/null || return 1
	grep -qF -- "$text" "$dir/log" || {
		cat "$dir/log"
		echo "wanted: $text"
		return 1
	}
}

log_says()	# log_says NODE TEXT
{
	grep -qF -- "$2" "$HL_T/nodes/$1/log"
}

reaches()	# reaches NODE OTHER
{
	ask "$1" '{"operation":"cluster_network","timeout":1000}' |
	    jq -e --arg n "$2" '[.nodes[].name] | index($n) != null'
}

warns()		# warns NODE SERVER LINK PORT TEXT: of a handshake, with whom it dials there or ('') who dials it
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e --arg s "$2" --arg l "$3" --arg a "127.0.0.1${4:+:}$4" --arg t "$5" \
	    'any(.warnings[]; .kind == "handshake" and .server == $s and .link == $l and
	        .address == $a and (.reason | contains($t)) and (.message | contains($t)))'
}

warns_no_more()	# warns_no_more NODE PORT
{
	! ask "$1" '{"operation":"cluster_status"}' | jq -e --arg p ":$2" \
	    'any(.warnings[]; .kind == "handshake" and (.address | endswith($p)))'
}

@test "nodes of one authority mesh and replicate" {
	make_table n1 t
	subscribe n1 n2 t
	insert n1 t '{"id":1}'
	insert n2 t '{"id":2}'
	wait_until 10 has_row n2 t 1
	wait_until 10 has_row n1 t 2
	same_rows 5 t n1 n2
}

@test "list_certificates: the node's own and its authorities, as openssl reads them, and no key" {
	local pem serial until

	pem=$(<"$HL_T/ca.ours/n1.pem")
	serial=$(openssl x509 -in "$HL_T/ca.ours/n1.pem" -noout -serial)
	until=$(openssl x509 -in "$HL_T/ca.ours/n1.pem" -noout -enddate)
	ok n1 '{"operation":"list_certificates"}' 'length == 2 and (.[0] |
	    .name == "'"$HL_T"'/ca.ours/n1.pem" and .private_key_name == "'"$HL_T"'/ca.ours/n1.key" and
	    .uses == ["clustering"] and (.is_authority or .is_self_signed | not) and
	    .details.subject == "CN=n1" and .details.issuer == "CN=authority ours" and
	    .details.subject_alt_name == "IP Address:127.0.0.1, DNS:localhost" and
	    .details.serial_number == "'"${serial#*=}"'" and .details.valid_to == "'"${until#*=}"'") and (.[1] |
	    .is_authority and .is_self_signed and .private_key_name == null and
	    .details.subject == "CN=authority ours" and .uses == ["clustering"])'
	[ "$(jq -r '.[0].certificate' <<<"$body")" = "$pem" ]
	[[ $body != *PRIVATE* ]]
}

@test "a node of another authority is kept out, and the log says why" {
	certs_node stranger theirs stranger
	route stranger n1
	wait_until 10 log_says stranger "certificate signed by unknown authority"
	wait_until 10 log_says n1 "TLS"
	in_network n1 n2
	in_network stranger
	refused stranger 504 '{"operation":"add_node","node_name":"n1","subscriptions":[
	    {"database":"dev","table":"t","publish":true,"subscribe":true}]}'
	node_stop stranger
}

@test "nor does a certificate of nobody get in: not as a node, not over a leaf link" {
	node_start unsigned CLUSTERING_TLS_INSECURE=true
	route unsigned n1
	# Another name of the same host: the same name twice is taken for one mesh.
	ok unsigned "{\"operation\":\"cluster_set_routes\",\"server\":\"leaf\",\"routes\":[
	    {\"host\":\"localhost\",\"port\":$(port n2 leafnodes)}]}"
	wait_until 10 log_says n1 "certificate"
	wait_until 10 log_says n2 "certificate"
	wait_until 5 warns n1 hub route '' "certificate"
	wait_until 5 warns n2 hub leaf '' "tls: client didn't provide a certificate"
	in_network n1 n2
	in_network unsigned
	node_stop unsigned
}

@test "a certificate for another address is not believed, and warnings say so until it is" {
	certificate ours elsewhere serverAuth,clientAuth DNS:elsewhere.example
	# shellcheck disable=SC2046 # words
	node_start elsewhere $(tls ours elsewhere)
	route n1 elsewhere
	wait_until 10 log_says n1 "cannot validate certificate for 127.0.0.1"
	in_network n1 n2
	wait_until 5 warns n1 hub route "$(port elsewhere cluster)" "validate certificate for 127.0.0.1"
	wait_until 5 warns elsewhere hub route '' "remote error: tls: bad certificate"
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" status >"$HL_T/screen" || :
	grep -q "warning.*handshake of a route with 127.0.0.1:$(port elsewhere cluster) fails: tls: failed to verify" "$HL_T/screen"
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" metrics | grep -q '^hubleaf_warnings{kind="handshake"} [1-9]'
	# It gets the right one, and all is said to be well.
	node_stop elsewhere
	certificate ours elsewhere
	node_run elsewhere
	wait_until 10 reaches n1 elsewhere
	wait_until 5 warns_no_more n1 "$(port elsewhere cluster)"
	ok n1 "{\"operation\":\"cluster_delete_routes\",\"routes\":[
	    {\"host\":\"127.0.0.1\",\"port\":$(port elsewhere cluster)}]}"
	node_stop elsewhere
}

named()		# named NODE...: nodes whose certificates have a name only, and that advertise nothing
{
	local n

	for n in "$@"; do
		certificate ours "$n" serverAuth,clientAuth DNS:localhost
		# shellcheck disable=SC2046 # words
		node_make "$n" $(tls ours "$n")
		sed -i '/advertise:/d' "$HL_T/nodes/$n/hubleaf.yaml"
		node_run "$n"
		wait_until 20 node_ready "$n"
	done
}

@test "certificates with names only: the mesh goes on by them where it was told of addresses" {
	named east west
	# They know n1 alone, and each other from it.
	route east n1
	route west n1
	wait_until 15 reaches n1 east
	wait_until 15 reaches n1 west
	wait_until 10 reaches east west
	wait_until 10 reaches west east
	log_says east "hub: others are told its name localhost, which its certificate has"
	node_stop east
	node_stop west
}

@test "a leaf route over them" {
	certs_node edge ours edge
	leaf_route edge n1
	make_table n1 far
	wait_until 20 reaches n1 edge
	subscribe n1 edge far
	insert edge far '{"id":1}'
	insert n1 far '{"id":2}'
	wait_until 10 has_row n1 far 1
	wait_until 10 has_row edge far 2
	same_rows 5 far n1 edge
	node_stop edge
}

@test "a leaf route over a WebSocket: verified both ways as well" {
	local websocket

	websocket=$(hl_ports)
	certificate ours gate
	# shellcheck disable=SC2046 # words
	node_start gate $(tls ours gate) \
	    "CLUSTERING_HUBSERVER_LEAFNODES_NETWORK_WEBSOCKETPORT=$websocket"
	for n in ours none; do
		# shellcheck disable=SC2046 # words
		node_start "$n" $([ $n = none ] && echo CLUSTERING_TLS_INSECURE=true || { certificate ours $n; tls ours $n; })
		ok "$n" "{\"operation\":\"cluster_set_routes\",\"server\":\"leaf\",\"routes\":[
		    {\"host\":\"127.0.0.1\",\"port\":$websocket,\"tls\":\"wss\"}]}"
	done
	wait_until 15 reaches gate ours
	wait_until 15 log_says gate "TLS handshake error"
	wait_until 5 warns gate hub leaf '' "tls: client didn't provide a certificate"
	wait_until 5 warns none leaf leaf "$websocket" "remote error: tls: "
	in_network none
	for n in gate ours none; do
		node_stop $n
	done
}

@test "the authority's file may hold more than one: an old and a new" {
	cat "$HL_T/ca.ours/ca.pem" "$HL_T/ca.theirs/ca.pem" >"$HL_T/both.pem"
	certificate theirs newer
	# shellcheck disable=SC2046 # words
	node_start newer $(tls theirs newer) CLUSTERING_TLS_CERTIFICATEAUTHORITY="$HL_T/both.pem"
	node_stop n2
	sed -i "s|^CLUSTERING_TLS_CERTIFICATEAUTHORITY=.*|CLUSTERING_TLS_CERTIFICATEAUTHORITY=$HL_T/both.pem|" \
	    "$HL_T/nodes/n2/env"
	node_run n2
	route newer n2
	wait_until 10 reaches newer n2
	wait_until 10 reaches n2 newer
	node_stop newer
}

@test "files that are missing or wrong are refused at the start" {
	local c=$HL_T/ca.ours t=$HL_T/ca.theirs

	refuses_start "clustering.tls.certificate: /nowhere.pem: No such file or directory" \
	    $(tls ours n1) CLUSTERING_TLS_CERTIFICATE=/nowhere.pem
	refuses_start "clustering.tls.privateKey: /nowhere.key: No such file or directory" \
	    $(tls ours n1) CLUSTERING_TLS_PRIVATEKEY=/nowhere.key
	refuses_start "clustering.tls.certificateAuthority: /nowhere.ca: No such file or directory" \
	    $(tls ours n1) CLUSTERING_TLS_CERTIFICATEAUTHORITY=/nowhere.ca
	refuses_start "clustering.tls.certificate: $c/n1.key: no certificate (PEM) is in it" \
	    $(tls ours n1) CLUSTERING_TLS_CERTIFICATE="$c/n1.key"
	refuses_start "clustering.tls.privateKey: $c/n1.pem: no private key" \
	    $(tls ours n1) CLUSTERING_TLS_PRIVATEKEY="$c/n1.pem"
	openssl ec -in "$c/n1.key" -aes256 -passout pass:secret -out "$c/locked.key" 2>/dev/null
	refuses_start "no private key (PEM, without a password)" \
	    $(tls ours n1) CLUSTERING_TLS_PRIVATEKEY="$c/locked.key"
	refuses_start "clustering.tls.privateKey: $c/n2.key is not the key of the certificate $c/n1.pem" \
	    $(tls ours n1) CLUSTERING_TLS_PRIVATEKEY="$c/n2.key"
	refuses_start "as a server it does not pass with certificateAuthority $t/ca.pem: unable to get local issuer certificate" \
	    $(tls ours n1) CLUSTERING_TLS_CERTIFICATEAUTHORITY="$t/ca.pem"
	certificate ours serveronly serverAuth
	refuses_start "as a client it does not pass with certificateAuthority $c/ca.pem" \
	    $(tls ours serveronly)
	# Signed by nobody whom the system knows.
	refuses_start "as a server it does not pass with certificateAuthority (unset: the system's)" \
	    CLUSTERING_TLS_CERTIFICATE="$c/n1.pem" CLUSTERING_TLS_PRIVATEKEY="$c/n1.key"
}

# ---- the option -n ----

checks()	# checks STATUS TEXT KEY=VALUE...: -n of each daemon ends like this, saying that
{
	local want=$1 text=$2 d

	shift 2
	rm -rf "$HL_T/nodes/checked"
	node_make checked "$@"
	for d in opsd/opsd hubd/hubd leafd/leafd; do
		# shellcheck disable=SC2046 # words
		run env $(cat "$HL_T/nodes/checked/env") "$HL_BUILD/$d" -n -c "$HL_T/nodes/checked/hubleaf.yaml"
		[ "$status" = "$want" ] && [[ $output == *"$text"* ]] || {
			echo "$d: $status $output"
			echo "wanted: $want $text"
			return 1
		}
	done
}

@test "the API sends the authorities between its certificate and the root" {
	local o=$HL_T/ca.ours c=$HL_T/ca.between url

	mkdir "$c"
	openssl req -newkey rsa:2048 -nodes -subj /CN=between -keyout "$c/ca.key" -out "$c/ca.csr" 2>/dev/null
	openssl x509 -req -in "$c/ca.csr" -CA "$o/ca.pem" -CAkey "$o/ca.key" -CAcreateserial -days 30 \
	    -out "$c/ca.pem" -extfile <(printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n') 2>/dev/null
	certificate between api serverAuth
	node_make api CLUSTERING_ENABLED=false
	url=https://127.0.0.1:$(($(port api api) + 1))/health
	printf '%s\n' "OPERATIONSAPI_NETWORK_SECUREPORT=$(($(port api api) + 1))" "TLS_CERTIFICATE=$c/api.pem" \
	    "TLS_PRIVATEKEY=$c/api.key" "TLS_CERTIFICATEAUTHORITY=$c/ca.pem" >>"$HL_T/nodes/api/env"
	node_run api
	curl -s -S -m 20 --cacert "$o/ca.pem" "$url"
	node_stop api
}

@test "-n looks at the files that are named, and names key and file" {
	local c=$HL_T/ca.ours t=$HL_T/ca.theirs

	checks 0 "configuration ok"
	checks 0 "configuration ok" $(tls ours n1)
	checks 1 "clustering.tls.certificate: /nowhere.pem: No such file or directory" \
	    $(tls ours n1) CLUSTERING_TLS_CERTIFICATE=/nowhere.pem
	checks 1 "clustering.tls.privateKey: $c/n2.key is not the key of the certificate $c/n1.pem" \
	    $(tls ours n1) CLUSTERING_TLS_PRIVATEKEY="$c/n2.key"
	checks 1 "clustering.tls.certificate: $c/n1.pem: as a server it does not pass with certificateAuthority $t/ca.pem" \
	    $(tls ours n1) CLUSTERING_TLS_CERTIFICATEAUTHORITY="$t/ca.pem"
	# Before the first start there is no certificate of the node's own.
	checks 1 "clustering.tls.certificateAuthority: /nowhere.ca: No such file or directory" \
	    CLUSTERING_TLS_CERTIFICATEAUTHORITY=/nowhere.ca
	checks 1 "tls.privateKey: $c/n1.pem: no private key (PEM, without a password) is in it" \
	    TLS_CERTIFICATE="$c/n1.pem" TLS_PRIVATEKEY="$c/n1.pem" OPERATIONSAPI_NETWORK_SECUREPORT=1
	checks 1 "tls.certificateAuthority: /nowhere.ca: No such file" OPERATIONSAPI_NETWORK_SECUREPORT=1 \
	    TLS_CERTIFICATE="$c/n1.pem" TLS_PRIVATEKEY="$c/n1.key" TLS_CERTIFICATEAUTHORITY=/nowhere.ca
}

@test "-n only warns of a certificate that has expired, and of files that are not in use" {
	local c=$HL_T/ca.ours

	expired ours n1 "$c/old.pem"
	checks 0 "warning: tls.certificate: $c/old.pem has expired" OPERATIONSAPI_NETWORK_SECUREPORT=1 \
	    TLS_CERTIFICATE="$c/old.pem" TLS_PRIVATEKEY="$c/n1.key"
	checks 0 "warning: tls.certificate: /nowhere.pem: No such file or directory" \
	    TLS_CERTIFICATE=/nowhere.pem TLS_PRIVATEKEY=/nowhere.key
	checks 0 "warning: clustering.tls.certificate: /nowhere.pem: No such file or directory" \
	    $(tls ours n1) CLUSTERING_TLS_CERTIFICATE=/nowhere.pem CLUSTERING_ENABLED=false
}

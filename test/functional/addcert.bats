#!/usr/bin/env bats
# add_certificate, remove_certificate: certificates, keys and authorities that come over the API.

load node.bash
load certs.bash

start_nodes()
{
	local n

	authority ours
	authority theirs
	for n in n1 n2; do
		node_make $n
		sed -i "s|^    port: $(port $n api)\$|&\n    securePort: $(($(port $n api) + 1))|" "$HL_T/nodes/$n/hubleaf.yaml"
		node_run $n
		wait_until 20 node_ready $n
		certificate ours $n
	done
	grep -q securePort "$HL_T/nodes/n1/hubleaf.yaml"
}

# request NAME CERTIFICATE [KEY [MORE]]: with the files' texts; without a key - for it
request()
{
	local key=${3:--} more=${4:-}

	[ "$key" = - ] && key=/dev/null
	jq -nc --arg name "$1" --rawfile c "$2" --rawfile k "$key" '{operation: "add_certificate", name: $name,
	    is_authority: false, certificate: $c} + (if $k == "" then {} else {private_key: $k} end) + {'"${more:-}"'}'
}

names()		# names NODE: what list_certificates has, "NAME:USE,USE" each
{
	ask "$1" '{"operation":"list_certificates"}' | jq -r '[.[] | .name + ":" + (.uses | join(","))] | join(" ")'
}

secure()	# secure NODE CA: the API over TLS, believing this authority
{
	curl -s -S -m 20 --cacert "$2" "https://127.0.0.1:$(($(port "$1" api) + 1))/health"
}

shown()		# shown NODE: the serial number of the certificate that the API shows
{
	timeout 5 openssl s_client -connect "127.0.0.1:$(($(port "$1" api) + 1))" </dev/null 2>/dev/null |
	    openssl x509 -noout -serial
}

# handshake SUITES: with TLS 1.2 and these alone
handshake()
{
	timeout 5 openssl s_client -connect "127.0.0.1:$(($(port n1 api) + 1))" -tls1_2 -cipher "$1:@SECLEVEL=0" </dev/null 2>&1 |
	    grep -q 'Cipher is [A-Z]*ECDHE'
}

# cookie_of [HEADER...]: the session's over TLS, without its name, value and time
cookie_of()
{
	curl -s -k -m 20 -o /dev/null -D - "${@/#/-H}" -d '{"operation":"login","username":"admin","password":"'"$HL_PASSWORD"'"}' \
	    "https://127.0.0.1:$(($(port n1 api) + 1))/" | tr -d '\r' | sed -n 's/^Set-Cookie: .*; \(HttpOnly.*\)$/\1/p'
}

restarted()	# restarted NODE: the whole of it, by the API
{
	local old

	old=$(node_pid "$1" hub)
	ok "$1" '{"operation":"restart"}'
	wait_until 20 eval '[ "$(node_pid '"$1"' hub)" != '"$old"' ] && node_ready '"$1"
}

no_secrets()	# no_secrets TEXT: nothing of any key
{
	local key

	for key in "$HL_T"/ca.*/*.key; do
		! grep -qF "$(sed -n 2p "$key")" <<<"$1" || return 1
	done
	[[ $1 != *PRIVATE* ]]
}

@test "a certificate with its key: listed at once, shown by the API after a restart" {
	local c=$HL_T/ca.ours file

	file=$(root n1)/keys/added-web.pem
	! secure n1 "$c/ca.pem" || return 1
	ok n1 "$(request web "$c/n1.pem" "$c/n1.key" '"uses":["https"],"hosts":["127.0.0.1","localhost"]')" \
	    '.message == "Successfully added certificate: web" and .restart == ["tls.certificate","tls.privateKey"]'
	no_secrets "$body"
	[ "$(stat -c %a "$file")" = 600 ]
	[ "$(names n1)" = "keys/links.pem:clustering keys/certificate.pem:https keys/links-authority.pem:clustering web:https" ]
	ok n1 '{"operation":"get_configuration"}' '.pending | map(.key) | sort == ["tls.certificate","tls.privateKey"]'
	restarted n1
	secure n1 "$c/ca.pem"
	[ "$(names n1)" = "keys/links.pem:clustering keys/links-authority.pem:clustering web:https" ]
	ok n1 '{"operation":"list_certificates"}' '.[2] | .private_key_name == "keys/added-web.pem" and .details.subject == "CN=n1"'
	no_secrets "$body"
}

@test "the same name renews it: HTTPS shows it at once, with the key of before, too" {
	local c=$HL_T/ca.ours before

	before=$(shown n1)
	openssl x509 -req -in "$c/n1.csr" -CA "$c/ca.pem" -CAkey "$c/ca.key" -CAcreateserial -days 60 \
	    -out "$c/renewed.pem" -extfile <(printf 'subjectAltName=IP:127.0.0.1\n') 2>/dev/null
	ok n1 "$(request web "$c/renewed.pem")" '.live == ["tls.certificate","tls.privateKey"] and .restart == []'
	wait_until 5 eval '[ "$(shown n1)" != "'"$before"'" ]'
	[ "$(shown n1)" = "$(openssl x509 -in "$c/renewed.pem" -noout -serial)" ]
	secure n1 "$c/ca.pem"
	[ "$(names n1)" = "keys/links.pem:clustering keys/links-authority.pem:clustering web:https" ]
}

@test "over TLS: no suites with CBC, and cookies that no other site gets but by its own page" {
	handshake ECDHE+AESGCM
	! handshake ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES128-SHA256 || return 1
	! handshake AES128-SHA:AES256-SHA256 || return 1
	[ "$(cookie_of)" = 'HttpOnly; SameSite=None; Secure' ]
	[ "$(cookie_of 'Origin: https://console.example')" = 'HttpOnly; SameSite=None; Secure' ]
	[ "$(cookie_of 'Origin: https://127.0.0.1.example')" = 'HttpOnly; SameSite=None; Secure' ]
	[ "$(cookie_of 'Origin: https://127.0.0.1:9999')" = 'HttpOnly; SameSite=Lax; Secure' ]
}

# shows CERTIFICATE [CURL OPTION...]: who that is over TLS, in $code and $body; -: no certificate
shows()
{
	local d=$HL_T/ca.people with=()

	[ "$1" = - ] || with=(--cert "$d/$1.pem" --key "$d/$1.key")
	body=$(curl -s -k -m 20 -w '\n%{http_code}' "${with[@]}" "${@:2}" -d '{"operation":"user_info"}' \
	    "https://127.0.0.1:$(($(port n1 api) + 1))/") || :
	code=${body##*$'\n'}
	body=${body%$'\n'*}
}

shown_as()	# shown_as CODE TEXT CERTIFICATE [CURL OPTION...]
{
	shows "${@:3}"
	[ "$code" = "$1" ] && [[ $body = *"$2"* ]] || {
		echo "gave $code $body, wanted $1 $2"
		return 1
	}
}

mtls()		# mtls VALUE: in force at once
{
	ok n1 '{"operation":"set_configuration","tls_certificateAuthority":"'"$HL_T/ca.people/ca.pem"'","operationsApi_network_mtls":'"$1"'}' \
	    '.restart == []'
}

@test "certificates of clients are users: by name, one for all, or none; and may be required" {
	local d=$HL_T/ca.people c basic

	authority people
	for c in joe nobody; do
		certificate people $c clientAuth
	done
	certificate people admin	# as a node's
	expired people joe "$d/old.pem"
	cp "$d/joe.key" "$d/old.key"
	certificate ours joe clientAuth
	cp "$HL_T/ca.ours/joe.pem" "$d/foreign.pem"
	cp "$HL_T/ca.ours/joe.key" "$d/foreign.key"
	basic=(-u "$HL_USER:$HL_PASSWORD")
	ok n1 '{"operation":"add_role","role":"reader","permission":{"super_user":false}}'
	ok n1 '{"operation":"add_user","role":"reader","username":"joe","password":"joe-pw","active":true}'
	refused n1 400 '{"operation":"set_configuration","operationsApi_network_mtls":true}' "'tls.certificateAuthority' is required"
	shown_as 401 'Must login' joe
	mtls true
	wait_until 5 shown_as 200 '"username":"joe"' joe
	shown_as 401 'Must login' -
	shown_as 401 'there is no such user' nobody
	shown_as 401 'stands for no user' admin
	shown_as 401 'has expired' old
	shown_as 401 'leads to no authority that this node trusts' foreign
	shown_as 401 'Login failed' joe -u joe:wrong
	shown_as 200 '"username":"admin"' old "${basic[@]}"
	shown_as 401 'Must login' joe -H 'Origin: https://console.example'
	ok n1 '{"operation":"set_configuration","logging_auditAuthEvents_logSuccessful":true,"logging_auditAuthEvents_logFailed":true}'
	shown_as 200 '"username":"joe"' joe
	shown_as 401 'there is no such user' nobody
	grep -q "success: user 'joe' by certificate from 127.0.0.1" "$HL_T/nodes/n1/log"
	grep -q "failure: user '?' by certificate from 127.0.0.1.*for 'nobody'" "$HL_T/nodes/n1/log"
	ok n1 '{"operation":"set_configuration","logging_auditAuthEvents_logSuccessful":null,"logging_auditAuthEvents_logFailed":null}'
	# Rights are those of the user, as they are now, also on a connection that goes on.
	body=$(curl -s -k -m 20 --cert "$d/joe.pem" --key "$d/joe.key" -d '{"operation":"list_users"}' \
	    "https://127.0.0.1:$(($(port n1 api) + 1))/")
	[[ $body = *'not authorized'* ]]
	ok n1 '{"operation":"alter_user","username":"joe","active":false}'
	shown_as 401 'User is inactive' joe
	ok n1 '{"operation":"alter_user","username":"joe","active":true}'
	# One for all; but no password of anybody is needed by whom one is required of.
	mtls '{"user":"admin"}'
	wait_until 5 shown_as 200 '"username":"admin"' nobody
	shown_as 401 'stands for no user' admin
	mtls '{"user":null,"required":true}'
	wait_until 5 shown_as 000 '' - "${basic[@]}"
	shown_as 000 '' old "${basic[@]}"
	shown_as 401 'Must login' nobody
	shown_as 200 '"username":"admin"' nobody "${basic[@]}"
	shown_as 401 'stands for no user' admin "${basic[@]}"
	wait_until 5 grep -q 'has shown no certificate, which is required' "$HL_T/nodes/n1/log"
	grep -q 'operations API: the certificate of 127.0.0.1: certificate has expired' "$HL_T/nodes/n1/log"
	mtls true
	wait_until 5 shown_as 200 '"username":"joe"' joe
}

on_one_connection()	# joe asks twice: the second time when it is written to the fifo
{
	local d=$HL_T/ca.people url

	url=https://127.0.0.1:$(($(port n1 api) + 1))/
	curl -s -k -m 40 --cert "$d/joe.pem" --key "$d/joe.key" -d '{"operation":"user_info"}' "$url" \
	    --next -s -k -m 40 --cert "$d/joe.pem" --key "$d/joe.key" -T "$HL_T/question" -X POST --request-target / "$url" \
	    -w '\n%{http_code} %{num_connects}\n'
}

@test "certificates of clients are revoked on a node that is in no cluster: at once, also after restarts" {
	local serial with out
	serial=$(openssl x509 -noout -serial -in "$HL_T/ca.people/joe.pem")
	serial=${serial#*=}
	refused n1 400 '{"operation":"update_node","revoked_certificates":[]}' "'revoked_certificates' must contain at least 1 items"
	refused n1 400 '{"operation":"update_node","revoked_certificates":["z"]}' "'revoked_certificates[0]' must be a serial number"
	refused n1 400 '{"operation":"update_node","revoked_certificates":["0A"],"subscriptions":[]}' "'node_name' is required"
	refused n1 400 '{"operation":"add_node","revoked_certificates":["0A"]}' "'node_name' is required"
	refused n1 400 '{"operation":"update_node","node_name":"n2","revoked_certificates":["0A"]}' \
	    "'revoked_certificates' cannot be given together with 'node_name'"
	shown_as 200 '"username":"joe"' joe
	# The connection that is open gets no further answer either.
	mkfifo "$HL_T/question"
	on_one_connection >"$HL_T/answers" &
	with=$!
	wait_until 10 grep -q '"username":"joe"' "$HL_T/answers"
	ok n1 '{"operation":"update_node","revoked_certificates":["'"$serial"'"]}' '.message == "Successfully revoked 1 certificates"'
	printf '{"operation":"user_info"}' >"$HL_T/question"
	wait "$with"
	out=$(cat "$HL_T/answers")
	[[ $out = *'the certificate has been revoked'* ]]
	[[ $out = *$'\n401 0' ]]
	shown_as 401 'the certificate has been revoked: its serial number is' joe
	shown_as 401 'there is no such user' nobody
	restarted n1
	shown_as 401 'the certificate has been revoked' joe
	ok n1 '{"operation":"set_configuration","tls_certificateAuthority":null,"operationsApi_network_mtls":null}'
	wait_until 5 shown_as 401 'Must login' joe
}

@test "removed: the node's own serves again after a restart" {
	local c=$HL_T/ca.ours

	ok n1 '{"operation":"remove_certificate","name":"web"}' \
	    '.message == "Successfully removed web" and .restart == ["tls.certificate","tls.privateKey"]'
	[ "$(names n1)" = "keys/links.pem:clustering keys/added-web.pem:https keys/links-authority.pem:clustering" ]
	[ -s "$(root n1)/keys/added-web.pem" ]	# it is in force
	refused n1 404 '{"operation":"remove_certificate","name":"web"}' "Certificate 'web' does not exist"
	# As long as it is on disk, it may come again.
	ok n1 "$(request web "$c/n1.pem" "$c/n1.key")" '.message == "Successfully added certificate: web"'
	[[ $(names n1) = *" web:"* ]]
	ok n1 '{"operation":"remove_certificate","name":"web"}'
	restarted n1
	! secure n1 "$c/ca.pem" || return 1
	[ "$(shown n1)" = "$(openssl x509 -in "$(root n1)/keys/certificate.pem" -noout -serial)" ]
	[ "$(names n1)" = "keys/links.pem:clustering keys/certificate.pem:https keys/links-authority.pem:clustering" ]
	[ -z "$(find "$(root n1)/keys" -name 'added-*')" ]
	ok n1 '{"operation":"get_configuration"}' '.tls.certificate == null and .tls.privateKey == null and (has("pending") | not)'
}

@test "a certificate of the node's own key needs no other; nobody's use goes at once" {
	local own

	own=$(root n1)/keys/certificate.pem
	# Not for the links, whose nodes would trust whoever has signed it.
	ok n1 "$(request own "$own")" '.restart == ["tls.certificate","tls.privateKey"]'
	[[ $(names n1) = *" own:https" ]]
	refused n1 400 "$(request own "$own" - '"uses":["clustering"]')" ": first add the authority that has signed it"
	ok n1 '{"operation":"set_configuration","clustering_tls_insecure":true}'
	ok n1 "$(request own "$own" - '"uses":["operations_api","clustering"]')" '.restart | length == 4'
	[[ $(names n1) = *" own:clustering,https" ]]
	# Fewer uses: the keys of the others are unset.
	ok n1 "$(request own "$own" - '"uses":["operations_api"]')"
	[[ $(names n1) = *" own:https" ]]
	ok n1 "$(request own "$own" - '"uses":["replication"]')"
	[[ $(names n1) = *" own:replication" ]]
	ok n1 "$(request own "$own" - '"uses":["clustering","replication"]')"
	[[ $(names n1) = *" own:clustering,replication" ]]
	ok n1 '{"operation":"set_configuration","clustering_tls_insecure":null}' || {
		ok n1 '{"operation":"remove_certificate","name":"own"}'
		ok n1 '{"operation":"set_configuration","clustering_tls_insecure":null}'
		ok n1 "$(request own "$own")"
	}
	ok n1 '{"operation":"remove_certificate","name":"own"}'
	[ -z "$(find "$(root n1)/keys" -name 'added-*')" ]
}

@test "what is wrong is refused, and nothing is left of it" {
	local c=$HL_T/ca.ours t=$HL_T/ca.theirs before

	expired ours n1 "$c/old.pem"
	openssl genrsa -out "$c/weak.key" 1024 2>/dev/null
	openssl req -x509 -key "$c/weak.key" -subj /CN=weak -days 3 -out "$c/weak.pem" 2>/dev/null
	openssl ec -in "$c/n1.key" -aes256 -passout pass:secret -out "$c/locked.key" 2>/dev/null
	certificate ours serveronly serverAuth
	certificate ours clientonly clientAuth
	{ cat "$c/n1.pem"; head -3 "$c/n2.pem"; echo "-----END CERTIFICATE-----"; } >"$c/broken.pem"
	before=$(cd "$(root n1)" && find keys settings.yaml -type f -exec md5sum {} + | sort)
	while IFS='|' read -r status pem key more text; do
		[ "$key" = - ] || key=$c/$key
		refused n1 "$status" "$(request web "$c/$pem" "$key" "$more")" "$text"
		no_secrets "$body"
	done <<-END
	400|old.pem|n1.key||'certificate' has expired
	400|n1.key|n1.key||'certificate' must be a certificate as PEM text
	400|broken.pem|n1.key||'certificate' has something broken after certificate 1
	400|n1.pem|-||'private_key' is required: the certificate is of no key that the node has
	400|n1.pem|n2.key||'private_key' is not the key of the certificate
	400|n1.pem|n1.pem||'private_key' must be a private key as PEM text, without a password
	400|n1.pem|locked.key||without a password
	400|weak.pem|weak.key||'private_key' must be RSA of 2048 bits or more
	400|clientonly.pem|clientonly.key||'certificate' is not for a server
	400|n1.pem|n1.key|"uses":["clustering"]|: first add the authority that has signed it
	400|serveronly.pem|serveronly.key|"uses":["clustering"]|'certificate' is not for clients, too (clientAuth)
	400|n1.pem|n1.key|"hosts":["localhost","other.example"]|'hosts[1]': the certificate is not for 'other.example'
	400|n1.pem|n1.key|"hosts":["127.0.0.2"]|is not for '127.0.0.2'
	400|n1.pem|n1.key|"hosts":[""]|'hosts[0]' must be a host name or an address
	400|n1.pem|n1.key|"hosts":"x"|'hosts' must be an array
	400|n1.pem|n1.key|"uses":["mail"]|'uses[0]' must be one of [https, clustering, replication]
	400|n1.pem|n1.key|"uses":[]|'uses' must contain at least one
	400|n1.pem|n1.key|"is_authority":true|'certificate' is not of an authority
	400|ca.pem|ca.key|"is_authority":true|'private_key' is not allowed with an authority
	400|ca.pem|-|"is_authority":true,"uses":["https"]|'uses' of an authority can only be [clustering, replication]
	400|n1.pem|n1.key|"is_authority":"yes"|'is_authority' must be a boolean
	400|n1.pem|n1.key|"name":"../web"|'name' must be at most 64 letters
	400|n1.pem|n1.key|"name":".web"|'name' must be
	400|n1.pem|n1.key|"name":"a/b"|'name' must be
	400|n1.pem|n1.key|"name":"$(printf '%65s' '' | tr ' ' x)"|'name' must be
	400|n1.pem|n1.key|"certificate":"$(printf '%100001s' '')"|'certificate' must be at most 100000 characters long
	END
	refused n1 400 '{"operation":"add_certificate"}' "'certificate' is required. 'name' is required. 'is_authority' is required"
	refused n1 404 '{"operation":"remove_certificate","name":"../keys/certificate"}' "does not exist"
	refused n1 404 '{"operation":"remove_certificate","name":"authorities"}' "does not exist"
	[ "$(cd "$(root n1)" && find keys settings.yaml -type f -exec md5sum {} + | sort)" = "$before" ]
}

@test "two nodes of nothing become a mesh that verifies both ends" {
	local c=$HL_T/ca.ours n

	for n in n1 n2; do
		ok $n "$(request ours "$c/ca.pem" - '"is_authority":true')" \
		    '.restart == ["clustering.tls.certificateAuthority"] and (.note | contains("It is not used until"))'
		ok $n "$(request node "$c/$n.pem" "$c/$n.key")" '.restart | length == 4'
		[[ $(names $n) = *" node:clustering,https ours:clustering" ]]
		restarted $n
		[ "$(names $n)" = "node:clustering,https ours:clustering" ]
		secure $n "$c/ca.pem"
	done
	mesh n1 n2
	make_table n1 t
	subscribe n1 n2 t
	insert n2 t '{"id":1}'
	wait_until 10 has_row n1 t 1
	# Of this kind there is one under the name, and the links need both.
	refused n1 409 "$(request ours "$c/n1.pem" "$c/n1.key")" "'ours' is an authority already: remove it first"
	refused n1 409 "$(request node "$c/ca.pem" - '"is_authority":true')" "'node' is a certificate of the node already"
	refused n1 409 '{"operation":"remove_certificate","name":"ours"}' "first remove the certificate of the node"
}

@test "another authority: both are believed, then the old one goes" {
	local c=$HL_T/ca.ours t=$HL_T/ca.theirs

	certificate theirs n1
	refused n1 400 "$(request node "$t/n1.pem" "$t/n1.key")" \
	    "clustering.tls.certificate: $(root n1)/keys/added-node.pem: as a server it does not pass"
	ok n1 "$(request theirs "$t/ca.pem" - '"is_authority":true')" '.restart == ["clustering.tls.certificateAuthority"]'
	[ "$(grep -c BEGIN "$(root n1)/keys/authorities.pem")" = 2 ]
	refused n1 409 '{"operation":"remove_certificate","name":"ours"}' "first replace the certificate of the node"
	ok n1 "$(request node "$t/n1.pem" "$t/n1.key")" \
	    '.live == ["tls.certificate","tls.privateKey"] and .restart == ["clustering.tls.certificate","clustering.tls.privateKey"]'
	ok n2 "$(request theirs "$t/ca.pem" - '"is_authority":true')"
	restarted n2
	restarted n1
	wait_until 20 in_network n1 n2
	insert n1 t '{"id":2}'
	wait_until 20 has_row n2 t 2
	ok n1 '{"operation":"remove_certificate","name":"ours"}' '.restart == ["clustering.tls.certificateAuthority"]'
	[ "$(names n1)" = "node:clustering,https theirs:clustering" ]
}

@test "a node that is killed at any time starts, and a backup has them" {
	local i c=$HL_T/ca.ours

	ok n2 "$(request spare "$c/n2.pem" "$c/n2.key" '"uses":["https"]')"
	for i in 1 2 3 4 5 6; do
		(ask n2 "$(request "k$i" "$c/n2.pem" "$c/n2.key")"; ask n2 '{"operation":"remove_certificate","name":"k'$i'"}') &
		sleep 0.0$((i * 2))
		node_kill n2 opsd
		wait_until 20 node_ready n2
		wait $!
	done
	ok n2 '{"operation":"list_certificates"}' 'all(.[]; has("error") | not)'
	hl_post n2 '{"operation":"get_backup"}' -o "$HL_T/b.tar"
	tar -tf "$HL_T/b.tar" | grep -qx keys/authorities.pem
	tar -tf "$HL_T/b.tar" | grep -qx keys/added-spare.pem
}

@test "an authority's file of one's own is not changed" {
	ok n2 '{"operation":"set_configuration","clustering_tls_certificateAuthority":"'"$HL_T/ca.ours/ca.pem"'"}'
	refused n2 409 "$(request theirs "$HL_T/ca.theirs/ca.pem" - '"is_authority":true')" \
	    "clustering.tls.certificateAuthority is $HL_T/ca.ours/ca.pem: add the authority to that file"
}

@test "nothing of a key is in a log or an answer" {
	local n

	for n in n1 n2; do
		no_secrets "$(cat "$HL_T/nodes/$n/log" "$(root $n)"/log/*)"
		no_secrets "$(ask $n '{"operation":"read_log","limit":1000}')"
		no_secrets "$(ask $n '{"operation":"get_configuration"}')"
	done
}

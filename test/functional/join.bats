#!/usr/bin/env bats
# create_join_token and sign_certificate: one node gets a certificate from another, over TLS.

load node.bash
load certs.bash

HL_ENROL=$HL_BUILD/test/functional/enrol
ID=0123456789abcdef0123456789abcdef

start_nodes()
{
	local n

	for n in n1 n2; do
		node_make $n
		sed -i "s|^    port: $(port $n api)\$|&\n    securePort: $(secure_port $n)|" "$HL_T/nodes/$n/hubleaf.yaml"
		node_run $n
	done
}

secure_port()
{
	echo $(($(port "$1" api) + 1))
}

token()		# token NODE [FIELDS]: a join token of it
{
	op "$1" "{\"operation\":\"create_join_token\"${2:+,$2}}"
	[ "$code" = 200 ] || { echo "$body"; return 1; }
	jq -r .token <<<"$body"
}

# enrol NODE VERIFY HOSTNAME AUTHORIZATION [ID]: asks it for a certificate; the answer in $got
enrol()
{
	got=$("$HL_ENROL" 127.0.0.1 "$(secure_port "$1")" "$2" "$3" "${5:-$ID}" "$4" 2>"$HL_T/enrol.err")
	[ ! -s "$HL_T/enrol.err" ] || { cat "$HL_T/enrol.err"; return 1; }
}

enrolled()	# enrolled NODE VERIFY HOSTNAME AUTHORIZATION [ID]: and gets one
{
	enrol "$@"
	jq -e '.status == 200' <<<"$got" >/dev/null || { echo "$got"; return 1; }
}

not_enrolled()	# not_enrolled STATUS TEXT NODE VERIFY HOSTNAME AUTHORIZATION [ID]
{
	enrol "${@:3}"
	jq -e --arg text "$2" '.status == '"$1"' and (.error | contains($text)) and (has("key") | not)' \
	    <<<"$got" >/dev/null || { echo "$got"; return 1; }
}

join_with()	# join_with NODE TOKEN BODY [CURL OPTION...]: sets $code and $body
{
	body=$(curl -s -k -m 20 -w '\n%{http_code}' -H "Authorization: Join $2" -H 'Content-Type: application/json' \
	    -d "$3" "${@:4}" "https://127.0.0.1:$(secure_port "$1")/") || :
	code=${body##*$'\n'}
	body=${body%$'\n'*}
}

@test "a token gets one certificate, which leads to the authority that comes with it" {
	local t d=$HL_T/got

	t=$(token n1)
	[[ $t =~ ^hlj1\.[0-9a-f]{64}\.[0-9a-f]{32}$ ]]
	enrolled n1 true server-two "\"$t\""
	mkdir "$d"
	jq -r .certificate <<<"$got" >"$d/node.pem"
	jq -r .key <<<"$got" >"$d/node.key"
	jq -r '.authorities[]' <<<"$got" >"$d/ca.pem"
	openssl verify -x509_strict -CAfile "$d/ca.pem" -purpose sslserver -verify_hostname server-two "$d/node.pem"
	openssl verify -x509_strict -CAfile "$d/ca.pem" -purpose sslclient "$d/node.pem"
	! openssl verify -CAfile "$d/ca.pem" -verify_hostname server-three "$d/node.pem" || return 1
	[ "$(openssl x509 -in "$d/node.pem" -noout -pubkey)" = "$(openssl pkey -in "$d/node.key" -pubout)" ]
	openssl x509 -in "$d/node.pem" -noout -ext subjectAltName | grep -q "DNS:server-two, URI:urn:hubleaf:node:$ID"
	openssl x509 -in "$d/node.pem" -noout -checkend $((89 * 86400))
	! openssl x509 -in "$d/node.pem" -noout -checkend $((91 * 86400)) || return 1
	[ "$(stat -c %a "$(root n1)/keys/ca.key")" = 600 ]
	ok n1 '{"operation":"get_fingerprint"}'
	[[ $body = *$(jq -r .node <<<"$got")* ]]
	# Once.
	not_enrolled 403 'The join token is not good' n1 true server-two "\"$t\""
	# As a header it is the same.
	t=$(token n1)
	enrolled n1 true 127.0.1.3 "\"Join $t\"" ${ID/0/1}
	jq -r .certificate <<<"$got" | openssl x509 -noout -ext subjectAltName | grep -q 'IP Address:127.0.1.3'
}

@test "a token is for this one operation, for TLS, and for its hostname" {
	local t

	t=$(token n1 '"hostname":"server-four"')
	for body in '{"operation":"describe_all"}' '{"operation":"create_join_token"}' '{"operation":"user_info"}' \
	    '{"operation":"list_certificates"}'; do
		join_with n1 "$t" "$body"
		[ "$code $body" = '401 {"error":"Must login"}' ]
	done
	body=$(curl -s -m 20 -H "Authorization: Join $t" -H 'Content-Type: application/json' \
	    -d '{"operation":"sign_certificate","csr":"x"}' "http://127.0.0.1:$(port n1 api)/")
	[[ $body = *'over TLS alone'* ]]
	join_with n1 "$t" '{"operation":"sign_certificate","csr":"x"}'
	[ "$code" = 400 ]
	[[ $body = *"'csr' must be a certificate request as PEM text"* ]]
	join_with n1 "$t" '{"operation":"sign_certificate"}'
	[ "$code" = 400 ]
	# A link would not come up by that name.
	join_with n1 "$t" '{"operation":"sign_certificate","csr":"x","member":"other.example.com"}'
	[ "$code" = 409 ]
	[[ $body = *"This node is '"*"' (replication.hostname), not 'other.example.com': give that name"* ]]
	not_enrolled 403 "for 'server-four'" n1 true server-five "\"$t\"" ${ID/0/4}
	# All that did not use it up.
	enrolled n1 true server-four "\"$t\"" ${ID/0/4}
}

@test "a name or id of another node is not signed" {
	local own

	own=$(ask n1 '{"operation":"get_fingerprint"}' | grep -oE '[0-9a-f]{32}' | head -n 1)
	not_enrolled 409 "'server-two' is node $ID" n1 true server-two "\"$(token n1)\"" ${ID/0/5}
	not_enrolled 409 "node $ID is 'server-two'" n1 true server-six "\"$(token n1)\""
	not_enrolled 409 'is this one itself' n1 true server-six "\"$(token n1)\"" "$own"
}

@test "only the node that has made it is told a token's secret" {
	local t

	t=$(token n2)
	not_enrolled 502 'shows another key than the one that the join token names' n1 true server-seven "\"$t\"" ${ID/0/7}
	[[ $(jq -r .error <<<"$got") = *'nothing was sent'* ]]
	# A pin is not all: n2 knows n1's key, too.
	t=$(token n1)
	not_enrolled 403 'The join token is not good' n1 true server-seven "\"${t%.*}.$(printf %032d 0)\"" ${ID/0/7}
	not_enrolled 400 'is no join token' n1 true server-seven '"Join nonsense"' ${ID/0/7}
}

@test "a restart keeps tokens, but not their secrets; each has its time" {
	local t short

	t=$(token n1)
	short=$(token n1 '"expires_in":1')
	! grep -rq "${t##*.}" "$(root n1)" || return 1
	node_stop n1
	node_run n1
	not_enrolled 403 'The join token is not good' n1 true server-eight "\"$short\"" ${ID/0/8}
	enrolled n1 true server-eight "\"$t\"" ${ID/0/8}
	! grep -rqE "${t##*.}|${short##*.}" "$(root n1)/log" "$HL_T/nodes/n1/log" || return 1
	refused n1 400 '{"operation":"create_join_token","expires_in":"2d"}' "'expires_in' must be"
	refused n1 400 '{"operation":"create_join_token","expires_in":0}' "'expires_in' must be"
	refused n1 400 '{"operation":"create_join_token","hostname":"*"}' "'hostname' must be a host name"
}

@test "two at the same time with one token: one gets it" {
	local t i pids=()

	t=$(token n1)
	for i in 1 2 3 4 5 6; do
		"$HL_ENROL" 127.0.0.1 "$(secure_port n1)" true "racer-$i" "$(printf %032x "$i")" "\"$t\"" >"$HL_T/race.$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ "$(jq -s '[.[] | select(.status == 200)] | length' "$HL_T"/race.*)" = 1 ]
	[ "$(jq -s '[.[] | select(.status == 403)] | length' "$HL_T"/race.*)" = 5 ]
}

@test "credentials of a super_user do as well, to whoever answers if verify_tls is false" {
	local admin="{\"username\":\"$HL_USER\",\"password\":\"$HL_PASSWORD\"}"

	not_enrolled 502 'cannot be verified' n2 true server-one "$admin"
	[[ $(jq -r .error <<<"$got") = *'use a join token'*'nothing was sent' ]]
	enrolled n2 false server-one "$admin"
	enrolled n2 false server-one "\"Basic $(printf %s "$HL_USER:$HL_PASSWORD" | base64)\""
	not_enrolled 403 'Login failed' n2 false server-one '{"username":"admin","password":"wrong"}'
	ok n2 '{"operation":"add_role","role":"reader","permission":{}}'
	ok n2 '{"operation":"add_user","role":"reader","username":"joe","password":"joe-pw","active":true}'
	not_enrolled 403 'not authorized' n2 false server-one '{"username":"joe","password":"joe-pw"}'
	not_enrolled 400 'must have a username' n2 false server-one '{"username":"joe"}'
	not_enrolled 400 'must be an object' n2 false server-one '17'
	not_enrolled 400 'must be an object' n2 false server-one '"a\r\nb"'
}

@test "nobody answers: it says so" {
	got=$("$HL_ENROL" 127.0.0.1 1 false server-one "$ID" '"Basic x"')
	jq -e '.status == 503 and (.error | contains("cannot be asked at port 1"))' <<<"$got"
}

listed()	# listed NODE: what hdb_certificate has for links by hostname
{
	ask "$1" '{"operation":"search_by_value","database":"system","table":"hdb_certificate","search_attribute":"name","search_value":"*","get_attributes":["*"]}' |
	    jq -r '[.[] | select(.uses | index("replication")) | .name] | sort | join(" ")'
}

@test "hdb_certificate has what is shown and believed, and no key" {
	local all

	all='{"operation":"search_by_value","database":"system","table":"hdb_certificate","search_attribute":"name","search_value":"*","get_attributes":["*"]}'
	ok n1 "$all" 'map(.name) | index("keys/ca.crt") != null and index("keys/certificate.pem") != null'
	ok n1 "$all" 'map(select(.name == "keys/ca.crt"))[0] | .is_authority and .is_self_signed and .uses == ["replication"] and
	    (.certificate | startswith("-----BEGIN CERTIFICATE")) and (.details.subject | startswith("CN=hubleaf authority "))'
	[[ $body != *PRIVATE* ]]
	[ "$(ask n1 '{"operation":"list_certificates"}' | jq -S 'sort_by(.name)')" = \
	    "$(jq -S 'map(del(.__createdtime__, .__updatedtime__)) | sort_by(.name)' <<<"$body")" ]
}

@test "certificates and authorities of one's own for links: at once, under their names" {
	local c=$HL_T/ca.own pem one

	authority own
	certificate own n2
	certificate own server "serverAuth"
	for one in ca n2 server; do
		declare "$one=$(jq -Rs . "$c/$one.pem")"
	done
	pem=$(jq -Rs . "$c/n2.key")
	ok n2 '{"operation":"add_certificate","name":"links","is_authority":false,"uses":["replication"],"certificate":'"$n2"',"private_key":'"$pem"'}' \
	    '.live == ["replication.tls.certificate","replication.tls.privateKey"] and .restart == []'
	ok n2 '{"operation":"add_certificate","name":"corporate","is_authority":true,"uses":["replication"],"certificate":'"$ca"'}' '.live == [] and .restart == []'
	[ "$(listed n2)" = 'corporate keys/ca.crt links' ]
	[ ! -e "$(root n2)/keys/authorities.pem" ]
	refused n2 400 '{"operation":"add_certificate","name":"x","is_authority":false,"uses":["replication"],"certificate":'"$server"'}' 'clientAuth), which replication needs'
	refused n2 409 '{"operation":"add_certificate","name":"corporate","is_authority":false,"certificate":'"$n2"',"private_key":'"$pem"'}' 'is an authority already'
	refused n2 400 '{"operation":"set_configuration","replication_tls_certificate":"/nowhere.pem"}' 'replication.tls.certificate: /nowhere.pem: No such file'
	refused n2 400 '{"operation":"set_configuration","replication_tls_certificateAuthority":"/nowhere.pem"}' \
	    'replication.tls.certificateAuthority: /nowhere.pem: No such file'
	# What a node signs for comes with all that it trusts.
	enrolled n2 false server-ten "\"Join $(token n2)\"" ${ID/0/a}
	[ "$(jq '.authorities | length' <<<"$got")" = 2 ]
	ok n2 '{"operation":"remove_certificate","name":"corporate"}'
	ok n2 '{"operation":"remove_certificate","name":"links"}' '.live == ["replication.tls.certificate","replication.tls.privateKey"]'
	refused n2 404 '{"operation":"remove_certificate","name":"corporate"}' 'does not exist'
	[ "$(listed n2)" = keys/ca.crt ]
	[ -z "$(find "$(root n2)/keys" -name 'added-*')" ]
}

@test "whoever guesses tokens is braked" {
	local i

	for i in {1..25}; do
		join_with n2 "hlj1.$(printf %064d "$i").$(printf %032d "$i")" '{"operation":"sign_certificate","csr":"x"}' -D "$HL_T/head"
		[ "$code" = 401 ] || break
	done
	[ "$code" = 429 ]
	grep -qi '^Retry-After: [0-9]' "$HL_T/head"
	grep -q 'a join token that is not good came from 127.0.0.1' "$HL_T/nodes/n2/log"
}

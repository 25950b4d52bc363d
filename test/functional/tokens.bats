#!/usr/bin/env bats
# Tokens and sessions: how somebody stays logged in, and everything that ends it.

bats_require_minimum_version 1.5.0
load node.bash

start_nodes()
{
	node_start n1
	ok n1 '{"operation":"add_role","role":"reader","permission":{"super_user":false}}'
	ok n1 '{"operation":"add_role","role":"boss","permission":{"super_user":true}}'
}

person()	# person NAME: a user with the password "secret"
{
	ok n1 "{\"operation\":\"add_user\",\"role\":\"boss\",\"username\":\"$1\",\"password\":\"secret\",\"active\":true}"
}

as()		# as HEADER JSON: as whoever that is; sets code and body
{
	body=$(curl -s -m 20 -w '\n%{http_code}' -H "$1" -d "$2" "http://127.0.0.1:$(port n1 api)/")
	code=${body##*$'\n'} body=${body%$'\n'*}
}

gives()		# gives CODE TEXT
{
	[ "$code" = "$1" ] && [[ $body == *"$2"* ]] || {
		echo "gave $code $body, wanted $1 $2"
		return 1
	}
}

tokens()	# tokens NAME [MORE]: sets operation and refresh
{
	as 'X: y' "{\"operation\":\"create_authentication_tokens\",\"username\":\"$1\",\"password\":\"secret\"${2:-}}"
	gives 200 operation_token
	operation=$(jq -r .operation_token <<<"$body") refresh=$(jq -r .refresh_token <<<"$body")
}

session()	# session NAME: sets cookie
{
	cookie=$(curl -s -m 20 -o /dev/null -D - \
	    -d "{\"operation\":\"login\",\"username\":\"$1\",\"password\":\"secret\"}" \
	    "http://127.0.0.1:$(port n1 api)/" | tr -d '\r' | sed -n 's/^Set-Cookie: \([^;]*\);.*HttpOnly; SameSite=Lax$/\1/p')
	[[ $cookie == hdb-session=* ]]
}

url64()
{
	base64 -w 0 | tr '+/' '-_' | tr -d '='
}

whoami='{"operation":"user_info"}'

@test "an operation token is its user, a refresh token makes another" {
	person ann
	tokens ann
	as "Authorization: Bearer $operation" "$whoami"
	gives 200 '"username":"ann"'
	as "Authorization: Bearer $refresh" "$whoami"
	gives 401 'invalid token'
	as "Authorization: Bearer $refresh" '{"operation":"refresh_operation_token"}'
	gives 200 operation_token
	as "Authorization: Bearer $(jq -r .operation_token <<<"$body")" "$whoami"
	gives 200 '"username":"ann"'
	as "Authorization: Bearer $operation" '{"operation":"refresh_operation_token"}'
	gives 401 'invalid token'
	as 'X: y' "{\"operation\":\"refresh_operation_token\",\"refresh_token\":\"$refresh\"}"
	gives 200 operation_token
	[ "$(stat -c %a "$(root n1)/keys/.jwtPrivate.key")" = 600 ]
}

@test "wrong passwords, fields and times" {
	as 'X: y' '{"operation":"create_authentication_tokens","username":"ann","password":"no"}'
	gives 401 'invalid credentials'
	as 'X: y' '{"operation":"create_authentication_tokens","username":"ann"}'
	gives 401 'invalid credentials'
	as 'X: y' '{"operation":"login","username":"ann"}'
	gives 401 'Login failed'
	as 'X: y' '{"operation":"create_authentication_tokens","username":"","password":"x"}'
	gives 400 "'username' is not allowed to be empty"
	as 'X: y' '{"operation":"create_authentication_tokens","username":"ann","password":""}'
	gives 400 "'password' is not allowed to be empty"
	as 'X: y' '{"operation":"create_authentication_tokens"}'
	gives 401 'Must login'
	as 'X: y' '{"operation":"create_authentication_tokens","username":"ann","password":"secret","expires_in":"soon"}'
	gives 400 "'expires_in' must be"
	as 'X: y' '{"operation":"refresh_operation_token"}'
	gives 400 "'refresh_token' is required"
	as 'X: y' '{"operation":"login","username":"ann","password":"no"}'
	gives 401 'Login failed'
}

@test "long credentials are wrong ones" {
	local n text

	for n in 2000 4000 8000; do
		text=$(head -c "$n" /dev/zero | tr '\0' a)
		as "Authorization: Basic $(printf '%s' "admin:$text" | base64 -w 0)" "$whoami"
		gives 401 'Login failed'
		as "Authorization: Basic $(printf '%s' "$text:x" | base64 -w 0)" "$whoami"
		gives 401 'Login failed'
		as "Authorization: Bearer $text" "$whoami"
		gives 401 'invalid token'
	done
	as 'X: y' "{\"operation\":\"login\",\"username\":\"$text\",\"password\":\"$text\"}"
	gives 401 'Login failed'
}

@test "a token ends" {
	tokens ann ',"expires_in":1000'
	expired()
	{
		as "Authorization: Bearer $operation" "$whoami"
		gives 403 'token expired'
	}
	wait_until 10 expired
}

@test "tokens that others made are none" {
	local head body64 text

	tokens ann
	body64=$(cut -d. -f2 <<<"$operation")
	for head in '{"alg":"none"}' '{"alg":"HS256","typ":"JWT"}'; do
		text=$(printf %s "$head" | url64).$body64
		as "Authorization: Bearer $text." "$whoami"
		gives 401 'invalid token'
		as "Authorization: Bearer $text.$(printf %s "$text" |
		    openssl dgst -sha256 -hmac "$(cat "$(root n1)/keys/.jwtPublic.key")" -binary | url64)" "$whoami"
		gives 401 'invalid token'
	done
	# Another's name under a signature that was good.
	text=$(printf '{"username":"admin","super_user":true,"exp":4000000000,"sub":"operation"}' | url64)
	as "Authorization: Bearer ${operation%%.*}.$text.${operation##*.}" "$whoami"
	gives 401 'invalid token'
	for text in '' . .. ... x.y.z "${operation%.*}" "$operation.x" "${operation:0:40}"; do
		as "Authorization: Bearer $text" "$whoami"
		[ "$code" = 401 ]
	done
}

@test "a session is its user until the logout" {
	session ann
	as "Cookie: a=b; $cookie" "$whoami"
	gives 200 '"username":"ann"'
	as "Cookie: $cookie" '{"operation":"logout"}'
	gives 200 'Logout successful'
	as "Cookie: $cookie" "$whoami"
	gives 401 'Must login'
	as 'X: y' '{"operation":"logout"}'
	gives 401 'Must login'
}

@test "a page of another origin has no part in a session" {
	session ann
	body=$(curl -s -m 20 -H "Cookie: $cookie" -H 'Origin: https://evil.example' -d "$whoami" \
	    "http://127.0.0.1:$(port n1 api)/")
	[[ $body == *'Must login'* ]]
}

@test "what ends tokens and sessions: a new password, the user's end, inactivity" {
	local how

	for how in '"operation":"alter_user","password":"other"' '"operation":"drop_user"'; do
		person bob
		tokens bob
		session bob
		as "Authorization: Bearer $operation" "$whoami"
		gives 200 bob
		ok n1 "{$how,\"username\":\"bob\"}"
		as "Authorization: Bearer $operation" "$whoami"
		gives 401 'invalid token'
		as "Authorization: Bearer $refresh" '{"operation":"refresh_operation_token"}'
		gives 401 'invalid token'
		as "Cookie: $cookie" "$whoami"
		gives 401 'Must login'
		[[ $how == *drop_user* ]] || ok n1 '{"operation":"drop_user","username":"bob"}'
	done
	# Who comes after under the name is somebody else.
	person bob
	as "Authorization: Bearer $operation" "$whoami"
	gives 401 'invalid token'
	tokens bob
	session bob
	ok n1 '{"operation":"alter_user","username":"bob","active":false}'
	as "Authorization: Bearer $operation" "$whoami"
	gives 401 'User is inactive'
	as "Authorization: Bearer $refresh" '{"operation":"refresh_operation_token"}'
	gives 401 'User is inactive'
	as "Cookie: $cookie" "$whoami"
	gives 401 'User is inactive'
}

@test "a role that changes counts at once, also for who is logged in" {
	person carl
	tokens carl
	session carl
	as "Authorization: Bearer $operation" '{"operation":"list_users"}'
	gives 200 carl
	as "Cookie: $cookie" '{"operation":"list_users"}'
	gives 200 carl
	ok n1 '{"operation":"alter_user","username":"carl","role":"reader"}'
	as "Authorization: Bearer $operation" '{"operation":"list_users"}'
	gives 403 "restricted to 'super_user' roles"
	as "Cookie: $cookie" '{"operation":"list_users"}'
	gives 403 "restricted to 'super_user' roles"
}

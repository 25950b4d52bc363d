#!/usr/bin/env bats
# Users and roles: what is made, what is refused and how that is said.

bats_require_minimum_version 1.5.0
load node.bash

start_nodes()
{
	node_start n1
	make_table n1 dog
	ok n1 '{"operation":"create_attribute","database":"dev","table":"dog","attribute":"name"}'
}

role_id()	# role_id NAME
{
	ask n1 '{"operation":"list_roles"}' | jq -r ".[] | select(.role == \"$1\").id"
}

@test "wrong roles: each fault is named" {
	cases n1 <<-'END'
	400	{"operation":"add_role","role":"bad"}	'permission' is required
	400	{"operation":"add_role","permission":{}}	'role' is required
	400	{"operation":"add_role","role":"bad","permission":{},"x":1,"y":2}	"main_permissions":["Invalid keys in JSON body - 'x', 'y'"]
	400	{"operation":"add_role","role":"bad","permission":{},"x":1}	Invalid key in JSON body - 'x'
	400	{"operation":"add_role","role":"bad","permission":{"super_user":true,"dev":{"tables":{}}}}	Roles with 'super_user' set to true cannot have other permissions set.
	400	{"operation":"add_role","role":"bad","permission":{"super_user":"x"}}	Value for 'super_user' permission must be a boolean
	400	{"operation":"add_role","role":"bad","permission":{"structure_user":"x"}}	Value for 'structure_user' permission must be a boolean or Array
	400	{"operation":"add_role","role":"bad","permission":{"nope":{"tables":{}}}}	"main_permissions":["database 'nope' does not exist"]
	400	{"operation":"add_role","role":"bad","permission":{"dev":{"tables":{"nope":{"read":true,"insert":true,"update":false,"delete":false,"attribute_permissions":[]}}}}}	Table 'dev.nope' does not exist
	400	{"operation":"add_role","role":"bad","permission":{"dev":{"tables":{"dog":{"read":"x","insert":true,"zap":1}}}}}	"schema_permissions":{"dev_dog":["Invalid table permission key value 'zap'","Table READ permission must be a boolean","Missing table UPDATE permission","Missing table DELETE permission","Missing 'attribute_permissions' array"]}
	400	{"operation":"add_role","role":"bad","permission":{"dev":{"tables":{"dog":{"read":true,"insert":true,"update":true,"delete":true,"attribute_permissions":"x"}}}}}	Value for 'attribute_permissions' must be an array
	400	{"operation":"add_role","role":"bad","permission":{"dev":{"tables":{"dog":{"read":true,"insert":true,"update":true,"delete":true,"attribute_permissions":[{"attribute_name":"zz","read":true,"insert":true,"update":false}]}}}}}	Invalid attribute 'zz' in 'attribute_permissions'
	400	{"operation":"add_role","role":"bad","permission":{"dev":{"tables":{"dog":{"read":true,"insert":true,"update":true,"delete":true,"attribute_permissions":[{"read":true}]}}}}}	Permission object in 'attribute_permission' missing an 'attribute_name'
	400	{"operation":"add_role","role":"bad","permission":{"dev":{"tables":{"dog":{"read":false,"insert":true,"update":false,"delete":false,"attribute_permissions":[{"attribute_name":"name","read":true,"insert":true,"update":false}]}}}}}	You have a conflict with TABLE permissions for 'dev.dog' being false and ATTRIBUTE permissions being true
	404	{"operation":"alter_role","id":"nope","permission":{"super_user":false}}	Role not found
	404	{"operation":"drop_role","id":"nope"}	Role not found
	400	{"operation":"create_database","database":"super_user"}	super_user
	400	{"operation":"create_database","database":"cluster_user"}	cluster_user
	400	{"operation":"create_database","database":"structure_user"}	structure_user
	END
}

@test "a role is added, listed, changed and dropped" {
	local id

	ok n1 '{"operation":"add_role","role":"keeper","permission":{"super_user":false,"dev":{"tables":{"dog":{"read":true,"insert":true,"update":false,"delete":false,"attribute_permissions":[]}}}}}' \
	    '.role == "keeper" and .permission.dev.tables.dog.read and .id == "keeper"'
	refused n1 409 '{"operation":"add_role","role":"keeper","permission":{"super_user":false}}' \
	    "A role with name 'keeper' already exists"
	id=$(role_id keeper)
	ok n1 '{"operation":"list_roles"}' '[.[].role] | sort == ["cluster_user","keeper","super_user"]'
	ok n1 "{\"operation\":\"alter_role\",\"id\":\"$id\",\"permission\":{\"super_user\":false}}" \
	    '(keys == ["__updatedtime__","id","permission","role"]) and .id == "keeper" and .role == "keeper" and .permission == {"super_user":false}'
	ok n1 '{"operation":"list_roles"}' '.[] | select(.role == "keeper") | .permission == {"super_user":false}'
	ok n1 '{"operation":"add_user","role":"keeper","username":"kim","password":"p","active":true}'
	refused n1 409 "{\"operation\":\"drop_role\",\"id\":\"$id\"}" \
	    'Cannot drop role keeper as it has active user(s) tied to this role'
	ok n1 '{"operation":"drop_user","username":"kim"}' '.message == "kim successfully deleted"'
	ok n1 "{\"operation\":\"drop_role\",\"id\":\"$id\"}" '.message == "keeper successfully deleted"'
}

@test "a role's id is the name it was made with; delete is no right of attributes and left out" {
	local all='"read":true,"insert":true,"update":true,"delete":true'
	local p="{\"dev\":{\"tables\":{\"dog\":{$all,\"attribute_permissions\":[{\"attribute_name\":\"name\",$all}]}}}}"
	local kept='.permission.dev.tables.dog | .delete and .attribute_permissions == [{"attribute_name":"name","read":true,"insert":true,"update":true}]'

	ok n1 "{\"operation\":\"add_role\",\"role\":\"first\",\"permission\":$p}" ".id == \"first\" and ($kept)"
	ok n1 "{\"operation\":\"alter_role\",\"id\":\"first\",\"permission\":$p}" "$kept"
	ok n1 '{"operation":"alter_role","id":"first","role":"second"}' ".id == \"first\" and .role == \"second\" and ($kept)"
	# Its id is still its own.
	refused n1 409 '{"operation":"add_role","role":"first","permission":{}}' "A role with name 'first' already exists: it is the id of the role that is named 'second' now"
	refused n1 409 '{"operation":"add_role","role":"second","permission":{}}' "A role with name 'second' already exists"
	refused n1 404 '{"operation":"alter_role","id":"second","permission":{}}' 'Role not found'
	ok n1 '{"operation":"add_role","role":"third","permission":{}}'
	refused n1 409 '{"operation":"alter_role","id":"third","role":"first"}' "A role with name 'first' already exists"
	ok n1 '{"operation":"alter_role","id":"first","role":"first"}' '.role == "first"'
	ok n1 '{"operation":"add_role","role":"twice","permission":{}}'
	op n1 '{"operation":"alter_role","id":"twice","permission":{"dev":{"tables":{"dog":{"read":true,"insert":true,"update":true,"delete":true,"attribute_permissions":[{"attribute_name":"zz","read":true,"insert":true,"update":true},{"attribute_name":"zz","read":true,"insert":true,"update":true}]}}}}}'
	jq -e ".schema_permissions.dev_dog == [\"Invalid attribute 'zz' in 'attribute_permissions'\"]" <<<"$body"
	ok n1 '{"operation":"drop_role","id":"twice"}'
	refused n1 400 '{"operation":"alter_role","id":"first","permission":{"dev":{"tables":{"dog":{"read":true,"insert":true,"update":true,"delete":true,"attribute_permissions":[{"attribute_name":"name","read":true,"insert":true,"update":true,"jump":true}]}}}}}' \
	    "Invalid attribute permission key value 'jump'"
	ok n1 '{"operation":"list_roles"}' 'map(.id) | index("super_user") != null and index("cluster_user") != null'
	ok n1 '{"operation":"drop_role","id":"first"}' '.message == "first successfully deleted"'
	ok n1 '{"operation":"drop_role","id":"third"}'
}

@test "users: made, refused, changed, dropped" {
	ok n1 '{"operation":"add_role","role":"guest","permission":{"super_user":false}}'
	cases n1 <<-'END'
	400	{"operation":"add_user"}	'username' is required. 'password' is required. 'role' is required
	400	{"operation":"add_user","role":"guest","username":"u","password":"","active":true}	'password'
	404	{"operation":"add_user","role":"nope","username":"u","password":"p","active":true}	nope role not found
	400	{"operation":"add_user","role":"nope","username":"u"}	'password' is required. nope role not found
	200	{"operation":"add_user","role":"guest","username":"u","password":"p","active":true}	.message == "u successfully added"
	409	{"operation":"add_user","role":"guest","username":"u","password":"p","active":true}	User u already exists
	200	{"operation":"list_users"}	.[] | select(.username == "u") | .active and .role.role == "guest" and (has("password") or has("hash") or has("refresh_token") | not)
	500	{"operation":"alter_user"}	username is required
	500	{"operation":"alter_user","username":"u"}	nothing to update, must supply active, role or password to update
	500	{"operation":"alter_user","username":"u","role":""}	If role is specified, it cannot be empty.
	500	{"operation":"alter_user","username":"u","password":""}	password cannot be an empty string
	500	{"operation":"alter_user","username":"u","active":"x"}	active must be true or false
	404	{"operation":"alter_user","username":"u","role":"nope"}	Update failed.  Requested 'nope' role not found.
	200	{"operation":"alter_user","username":"u","active":false}	. == {"message":"updated 1 of 1 records","update_hashes":["u"],"skipped_hashes":[]}
	200	{"operation":"drop_user","username":"u"}	.message == "u successfully deleted"
	404	{"operation":"drop_user","username":"u"}	User u does not exist
	END
}

@test "the last active super user stays one" {
	refused n1 409 '{"operation":"drop_user","username":"'"$HL_USER"'"}'
	refused n1 409 '{"operation":"alter_user","username":"'"$HL_USER"'","active":false}'
	refused n1 409 '{"operation":"alter_user","username":"'"$HL_USER"'","role":"guest"}'
	ok n1 '{"operation":"user_info"}' '.username == "'"$HL_USER"'" and .role.permission.super_user'
}

@test "the cluster's user stays one while clustering is enabled" {
	local id

	refused n1 409 '{"operation":"drop_user","username":"cluster"}' \
	    'User cluster is the one of clustering.user: while clustering is enabled it cannot be dropped'
	refused n1 409 '{"operation":"alter_user","username":"cluster","active":false}' 'clustering.user'
	refused n1 409 '{"operation":"alter_user","username":"cluster","role":"guest"}' 'clustering.user'
	refused n1 409 "{\"operation\":\"alter_role\",\"id\":\"$(role_id cluster_user)\",\"permission\":{\"super_user\":false}}" \
	    'Role cluster_user is the one of clustering.user'
	# Its password may change, its role's name, and its role for one that does as well.
	ok n1 '{"operation":"alter_user","username":"cluster","password":"cluster-secret","active":true}'
	ok n1 '{"operation":"add_role","role":"linker","permission":{"cluster_user":true}}'
	ok n1 '{"operation":"alter_user","username":"cluster","role":"linker"}'
	id=$(role_id linker)
	ok n1 "{\"operation\":\"alter_role\",\"id\":\"$id\",\"role\":\"link\"}"
	refused n1 409 "{\"operation\":\"alter_role\",\"id\":\"$id\",\"permission\":{}}" 'Role link is'
	ok n1 "{\"operation\":\"alter_role\",\"id\":\"$(role_id cluster_user)\",\"permission\":{\"super_user\":false}}"
	ok n1 "{\"operation\":\"alter_role\",\"id\":\"$(role_id cluster_user)\",\"permission\":{\"cluster_user\":true}}"
	# Others may go, but not one that is to be it after a restart.
	node_stop n1
	HL_NO_USERS=1 node_run n1	# without CLUSTERING_USER, so that another can be set
	wait_until 20 node_ready n1
	ok n1 '{"operation":"add_user","role":"link","username":"next","password":"next of the cluster","active":true}'
	ok n1 '{"operation":"alter_user","username":"next","active":false}'
	ok n1 '{"operation":"alter_user","username":"next","active":true}'
	ok n1 '{"operation":"set_configuration","clustering_user":"next"}'
	refused n1 409 '{"operation":"drop_user","username":"next"}' 'clustering.user'
	refused n1 409 '{"operation":"drop_user","username":"cluster"}' 'clustering.user'
	ok n1 '{"operation":"set_configuration","clustering_user":"cluster"}'
	ok n1 '{"operation":"drop_user","username":"next"}'
	# Where clustering is off, it may go.
	ok n1 '{"operation":"set_configuration","clustering_enabled":false}'
	refused n1 409 '{"operation":"drop_user","username":"cluster"}' 'clustering.user'
	node_stop n1
	HL_NO_USERS=1 node_run n1
	ok n1 '{"operation":"alter_user","username":"cluster","active":false}'
	ok n1 '{"operation":"drop_user","username":"cluster"}'
}

# ---- who was let in, in the log ----

# says LINE: it is in the daemon's log, whatever is before it
says()
{
	grep -q -F -- "$1" "$(root n1)/log/opsd.log"
}

send()		# send CURL-OPTION...: a request; its status
{
	curl -s -m 20 -o /dev/null -w '%{http_code}' -d '{"operation":"describe_all"}' "$@" "http://127.0.0.1:$(port n1 api)/"
}

@test "logging.auditAuthEvents: each that was let in or refused, by whom, from where, for what" {
	local token fd

	ok n1 '{"operation":"add_user","role":"super_user","username":"lou","password":"lou-secret","active":true}'
	token=$(ask n1 '{"operation":"create_authentication_tokens"}' | jq -r .operation_token)
	# Nothing is wanted: wrong passwords alone are logged, and not each.
	[ "$(send -u 'eve:wrong')$(send -u 'eve:wrong')" = 401401 ]
	wait_until 5 says "auth: failed login as 'eve' from 127.0.0.1"
	run ! grep -E 'auth: (success|failure)' "$(root n1)/log/opsd.log"
	ok n1 '{"operation":"set_configuration","logging_auditAuthEvents_logFailed":true}' '.live == ["logging.auditAuthEvents.logFailed"]'
	[ "$(send -u 'mallory:wrong')$(send -u "o'x"$'\n'": wrong")" = 401401 ]
	[ "$(send -H 'Authorization: Bearer none')$(send -H 'Authorization: Basic ?')$(send)" = 401401401 ]
	op n1 '{"operation":"login","username":"trent","password":"wrong"}'
	[ "$code" = 401 ]
	wait_until 5 says "auth: failure: user 'trent' by password from 127.0.0.1: POST /, login: Login failed"
	says "auth: failure: user 'mallory' by password from 127.0.0.1: POST /, describe_all: Login failed"
	says "auth: failure: user 'o'x?' by password from 127.0.0.1"
	says "auth: failure: user '?' by token from 127.0.0.1: POST /, describe_all: invalid token"
	[ "$(grep -c 'auth: failure' "$(root n1)/log/opsd.log")" = 5 ]
	# Whoever goes away before the body was there, too.
	exec {fd}<>"/dev/tcp/127.0.0.1/$(port n1 api)"
	printf 'POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: 9\r\n\r\n' "$(printf 'oscar:wrong' | base64)" >&"$fd"
	exec {fd}>&-
	wait_until 5 says "auth: failure: user 'oscar' by password from 127.0.0.1: POST /, no operation: Login failed"
	run ! grep 'auth: success' "$(root n1)/log/opsd.log"
	ok n1 '{"operation":"set_configuration","logging_auditAuthEvents_logFailed":false,"logging_auditAuthEvents_logSuccessful":true}'
	[ "$(send -u lou:lou-secret)$(send -H "Authorization: Bearer $token")" = 200200 ]
	ok n1 '{"operation":"login","username":"lou","password":"lou-secret"}'
	[ "$(send --unix-socket "$(root n1)/operations-server")" = 200 ]
	wait_until 5 says "auth: success: user 'hubleaf' by the file's rights from the domain socket: POST /, describe_all"
	says "auth: success: user 'lou' by password from 127.0.0.1: POST /, describe_all"
	says "auth: success: user 'lou' by password from 127.0.0.1: POST /, login"
	says "auth: success: user 'admin' by token from 127.0.0.1: POST /, describe_all"
	ok n1 '{"operation":"set_configuration","logging_auditAuthEvents_logSuccessful":false}'
	ok n1 '{"operation":"read_log","log_name":"opsd.log","limit":1000}' \
	    'map(select(.message | startswith("auth: success: user \u0027lou\u0027"))) | length == 2'
	ok n1 '{"operation":"drop_user","username":"lou"}'
}

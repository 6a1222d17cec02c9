/// The hard-stop terms that hold unless a policy turns them off.
package enum BuiltInTerms {
  package static let security = [
    "secret*", "cve", "vulnerab*", "exploit*", "password*", "private key", "advisory", "auth", "oauth",
    "authenticat*", "authoriz*", ".env", ".pem", "id_rsa", ".npmrc", "kubeconfig",
  ]
  package static let access = [
    "401", "403", "token", "tokens", "permission*", "credential*", "scope", "scopes", "sso", "registry auth",
    "unauthorized", "forbidden", "access denied", "access policy",
  ]
  package static let production = [
    "deploy*", "delete*", "drop table", "migrat*", "rotat*", "prod", "production",
  ]
}

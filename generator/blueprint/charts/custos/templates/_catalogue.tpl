{{- /*
custos.services: the services that run, as YAML: name → the catalogue's facts, with `values` (the service's own values) and `config` (the name of the
config server) added.
  . the root context
*/ -}}
{{- define "custos.services" -}}
{{- $running := dict -}}
{{- $catalogue := .Files.Get "files/catalogue.yaml" | fromYaml -}}
{{- range $name, $service := $catalogue.services -}}
{{- $values := get $.Values.services $name | default dict -}}
{{- if ne (toString $values.enabled) "false" -}}
{{- $_ := set $service "values" $values -}}
{{- $_ := set $service "config" $catalogue.config -}}
{{- $_ := set $running $name $service -}}
{{- end -}}
{{- end -}}
{{- toYaml $running -}}
{{- end -}}

{{- /*
custos.configServer: the name of the service that gives the others their configuration.
  . the root context
*/ -}}
{{- define "custos.configServer" -}}
{{- (.Files.Get "files/catalogue.yaml" | fromYaml).config -}}
{{- end -}}

{{- /*
custos.without: "true" where a store is knowingly not there.
  context  the root context
  store    keycloak, vault, kafka, smtp, cilogon
*/ -}}
{{- define "custos.without" -}}
{{- if has .store .context.Values.withoutStores }}true{{ end -}}
{{- end -}}

{{- /*
custos.store: where the services find a store, as {host, port} and perhaps scheme; `here` is true for the one of this release, which has its `secret` and
the `podPort`. Nothing where it is knowingly not there.
  context  the root context
  store    mysql, keycloak, vault, kafka, smtp
*/ -}}
{{- define "custos.store" -}}
{{- if not (include "custos.without" .) -}}
{{- $values := .context.Values -}}
{{- $outside := index (ternary $values $values.global (eq .store "smtp")) .store -}}
{{- $here := get (.context.Files.Get "files/stores.yaml" | fromYaml) .store -}}
{{- if and $here (not $outside.host) -}}
{{- /* A name with its last dot is in no certificate, so that clients who compare names would refuse it. */ -}}
{{- $host := include "common.host" (dict "context" .context "name" $here.service "dot" (not $here.scheme)) -}}
{{- toYaml (merge (dict "here" true "host" $host) $here) -}}
{{- else -}}
{{- toYaml $outside -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /*
custos.restPort: where a service takes REST: its sidecar, or itself.
  service  its facts
*/ -}}
{{- define "custos.restPort" -}}
{{- default .service.ports.http ((.service.sidecar | default dict).ports | default dict).rest -}}
{{- end -}}

{{- /* custos.publicUrl: the address that users know, without a slash at its end. */ -}}
{{- define "custos.publicUrl" -}}
{{- trimSuffix "/" .Values.global.publicUrl -}}
{{- end -}}

{{- /*
custos.keycloakUrl: Keycloak's address; the services insist on `/auth/` at its end. A store that is not there has a name that never resolves
(RFC 2606), so that what calls it fails at once and says why.
*/ -}}
{{- define "custos.keycloakUrl" -}}
{{- if include "custos.without" (dict "context" . "store" "keycloak") -}}
https://keycloak.invalid/auth/
{{- else -}}
{{- with include "custos.store" (dict "context" . "store" "keycloak") | fromYaml }}{{ .scheme }}://{{ include "common.urlHost" .host }}:{{ .port }}/auth/{{ end -}}
{{- end -}}
{{- end -}}

{{- /* custos.vaultUrl: Vault's address. */ -}}
{{- define "custos.vaultUrl" -}}
{{- if include "custos.without" (dict "context" . "store" "vault") -}}
https://vault.invalid:8200
{{- else -}}
{{- with include "custos.store" (dict "context" . "store" "vault") | fromYaml }}{{ .scheme }}://{{ include "common.urlHost" .host }}:{{ .port }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /*
custos.kafkaAddress: Kafka's first broker. Its old client ends the service where the name does not resolve, so without Kafka it is a name that
always does, and a port where nothing listens.
*/ -}}
{{- define "custos.kafkaAddress" -}}
{{- if include "custos.without" (dict "context" . "store" "kafka") -}}
localhost:9092
{{- else -}}
{{- with include "custos.store" (dict "context" . "store" "kafka") | fromYaml }}{{ include "common.urlHost" .host }}:{{ .port }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /* custos.truststorePath: the file that iam-admin and identity make the only trust of their JVM: the internal CA and the public ones. */ -}}
{{- define "custos.truststorePath" -}}
/etc/custos/trust/public.p12
{{- end -}}

{{- /*
custos.configUrl: the config server's address.
  context  the root context
  service  any service's facts
*/ -}}
{{- define "custos.configUrl" -}}
http://{{ include "common.host" (dict "context" .context "name" .service.config) }}:9000
{{- end -}}

{{- /* custos.mysqlAddress: where the services find MySQL, as host:port. */ -}}
{{- define "custos.mysqlAddress" -}}
{{- with include "custos.store" (dict "context" . "store" "mysql") | fromYaml }}{{ include "common.urlHost" .host }}:{{ .port }}{{ end -}}
{{- end -}}

{{- /*
custos.jdbcUrl: the data source of one service. TLS with the server's certificate checked against the CA; the host name is not, because this driver
(Connector/J 8.0.18) looks at the common name only. Outside MySQL without a known CA: TLS unchecked. The time-outs let a pool give up the
connections to a machine that died.
  context  the root context
  schema   the service's own
*/ -}}
{{- define "custos.jdbcUrl" -}}
{{- $mysql := .context.Values.global.mysql -}}
{{- $parameters := list "serverTimezone=UTC" "useLegacyDatetimeCode=false" "enabledTLSProtocols=TLSv1.2" "connectTimeout=5000" "socketTimeout=60000" -}}
{{- if or (not $mysql.host) $mysql.caSecret -}}
{{- $parameters = concat (list "sslMode=VERIFY_CA" (printf "trustCertificateKeyStoreUrl=file:%s" (include "custos.mysqlTruststore" .context)) "trustCertificateKeyStoreType=PKCS12" "trustCertificateKeyStorePassword=$(MYSQL_TRUSTSTORE_PASSWORD)") $parameters -}}
{{- else -}}
{{- $parameters = prepend $parameters "sslMode=REQUIRED" -}}
{{- end -}}
jdbc:mysql://{{ include "custos.mysqlAddress" .context }}/{{ .schema }}?{{ join "&" $parameters }}
{{- end -}}

{{- /* custos.mysqlTruststore: the trust store for MySQL: the internal CA alone, or that of the MySQL outside. */ -}}
{{- define "custos.mysqlTruststore" -}}
{{- ternary "/etc/custos/mysql-trust/truststore.p12" "/etc/custos/trust/truststore.p12" (and .Values.global.mysql.host .Values.global.mysql.caSecret | empty | not) -}}
{{- end -}}

{{- /*
custos.secretName: the Secret that serves a purpose, or nothing where its store is knowingly not there.
  context  the root context
  purpose  truststore, mysql, keycloak, vault, cilogon, smtp
*/ -}}
{{- define "custos.secretName" -}}
{{- $global := .context.Values.global -}}
{{- if eq .purpose "truststore" -}}
{{- include "common.name" (dict "context" .context "name" "truststore") -}}
{{- else if eq .purpose "mysql" -}}
{{- default (include "common.name" (dict "context" .context "name" "mysql-users")) $global.mysql.existingSecret -}}
{{- else if eq .purpose "cilogon" -}}
{{- if not (include "custos.without" (dict "context" .context "store" "cilogon")) -}}
{{- .context.Values.cilogon.existingSecret -}}
{{- end -}}
{{- else -}}
{{- $store := include "custos.store" (dict "context" .context "store" .purpose) | fromYaml -}}
{{- $own := $store.secret | default "" -}}
{{- if $own -}}{{- $own = include "common.name" (dict "context" .context "name" $own) -}}{{- end -}}
{{- default $own $store.existingSecret -}}
{{- end -}}
{{- end -}}

{{- /*
custos.storePeer: where a store is, as {to, ports} for common.networkPolicy; empty where it is knowingly not there.
  context  the root context
  store    mysql, keycloak, vault, kafka, smtp, cilogon
*/ -}}
{{- define "custos.storePeer" -}}
{{- if not (include "custos.without" .) -}}
{{- $values := .context.Values -}}
{{- if eq .store "cilogon" -}}
{{- $url := urlParse $values.cilogon.url }}
to: [{host: {{ regexReplaceAll ":[0-9]+$" $url.host "" }}}]
ports: [{{ default (ternary "80" "443" (eq $url.scheme "http")) (regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host)) }}]
{{- else -}}
{{- $store := include "custos.store" . | fromYaml -}}
{{- if $store.here }}
to: [{chart: {{ .store }}}]
ports: [{{ $store.podPort }}]
{{- else if $store.host }}
to: [{host: {{ $store.host | quote }}}]
ports: [{{ $store.port }}]
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

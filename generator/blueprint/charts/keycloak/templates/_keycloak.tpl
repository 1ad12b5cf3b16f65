{{- /* What more than one template of this chart says. */ -}}

{{- /* keycloak.secret: the Secret with the administrator's name and password. */ -}}
{{- define "keycloak.secret" -}}
{{- default (include "common.name" (dict "context" . "name" "keycloak")) .Values.global.keycloak.existingSecret -}}
{{- end -}}

{{- /*
keycloak.secrets: what Keycloak needs from the Secrets Job. Its password in PostgreSQL is PostgreSQL's to make.
  context  the chart's context
*/ -}}
{{- define "keycloak.secrets" -}}
{{- $root := .context -}}
{{- if not $root.Values.global.keycloak.existingSecret }}
- name: {{ include "keycloak.secret" $root }}
  keys:
    admin-username: {text: admin}
    admin-password: {random: 32, rotatable: true}
{{- end }}
{{- $host := include "common.host" (dict "context" $root "name" "keycloak" "dot" false) }}
- name: {{ include "common.name" (dict "context" $root "name" "keycloak-tls") }}
  certificate:
    authority: {{ include "common.name" (dict "context" $root "name" "ca") }}
    commonName: {{ $host }}
    dnsNames:
      - {{ $host }}
      - {{ include "common.name" (dict "context" $root "name" "keycloak") }}
      - {{ include "common.name" (dict "context" $root "name" "keycloak") }}.{{ $root.Release.Namespace }}
      - {{ include "common.name" (dict "context" $root "name" "keycloak") }}.{{ $root.Release.Namespace }}.svc
{{- end -}}

{{- /* keycloak.databaseHost: where PostgreSQL is; without a last dot, which no certificate has. */ -}}
{{- define "keycloak.databaseHost" -}}
{{- default (include "common.host" (dict "context" . "name" "postgresql-primary" "dot" false)) .Values.global.postgresql.host -}}
{{- end -}}

{{- /* keycloak.databaseSecret: the Secret whose key `keycloak` is Keycloak's password in PostgreSQL. */ -}}
{{- define "keycloak.databaseSecret" -}}
{{- default (include "common.name" (dict "context" . "name" "postgresql-users")) .Values.global.postgresql.existingSecret -}}
{{- end -}}

{{- /* keycloak.databaseCa: the Secret whose ca.crt PostgreSQL's certificate comes from; empty for one outside that names none. */ -}}
{{- define "keycloak.databaseCa" -}}
{{- if .Values.global.postgresql.host -}}
{{- .Values.global.postgresql.caSecret -}}
{{- else -}}
{{- include "common.name" (dict "context" . "name" "truststore") -}}
{{- end -}}
{{- end -}}

{{- /*
keycloak.databaseUrl: time-outs are short, for a connection to a machine that died tells nothing; the pool makes a new one.
*/ -}}
{{- define "keycloak.databaseUrl" -}}
{{- $database := .Values.database -}}
{{- $tls := ternary "sslmode=verify-full&sslrootcert=/etc/custos/database/ca.crt" "sslmode=require" (not (empty (include "keycloak.databaseCa" .))) -}}
{{- $timeouts := printf "connectTimeout=%d&loginTimeout=%d&socketTimeout=%d&tcpKeepAlive=true" (int $database.connectSeconds) (int $database.socketSeconds) (int $database.socketSeconds) -}}
jdbc:postgresql://{{ include "common.urlHost" (include "keycloak.databaseHost" .) }}:{{ .Values.global.postgresql.port }}/keycloak?{{ $tls }}&targetServerType=primary&{{ $timeouts }}
{{- end -}}

{{- /* keycloak.hostname: the address that users and tokens know. */ -}}
{{- define "keycloak.hostname" -}}
{{- default (printf "%s/auth" (trimSuffix "/" .Values.global.publicUrl)) .Values.hostname -}}
{{- end -}}

{{- /* keycloak.buildEnvironment: options that are built in; the build and the start must say the same. */ -}}
{{- define "keycloak.buildEnvironment" -}}
- {name: KC_DB, value: postgres}
- {name: KC_HTTP_RELATIVE_PATH, value: /auth}
- {name: KC_HEALTH_ENABLED, value: "true"}
- {name: KC_METRICS_ENABLED, value: "true"}
{{- with .Values.javaOptions }}
- {name: JAVA_OPTS_APPEND, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{- /* keycloak.environment: all options, also those of the start. */ -}}
{{- define "keycloak.environment" -}}
{{ include "keycloak.buildEnvironment" . }}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- {name: KC_DB_URL, value: {{ include "keycloak.databaseUrl" . | quote }}}
- {name: KC_DB_USERNAME, value: keycloak}
- name: KC_DB_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ include "keycloak.databaseSecret" . }}, key: keycloak}
- {name: KC_DB_POOL_INITIAL_SIZE, value: "2"}
- {name: KC_DB_POOL_MIN_SIZE, value: "2"}
- {name: KC_DB_POOL_MAX_SIZE, value: {{ .Values.database.poolSize | quote }}}
# Otherwise Keycloak asks PostgreSQL not to wait for its standbys where only sessions are written: a login that was answered was gone after a fail-over.
- {name: KC_SPI_CONNECTIONS_JPA__QUARKUS__ASYNC_COMMIT, value: "false"}
# The replicas find one another by a table of the database and speak TLS with keys that they make themselves (mutual, renewed by themselves).
- {name: KC_CACHE_STACK, value: jdbc-ping}
- {name: KC_CACHE_EMBEDDED_MTLS_ENABLED, value: "true"}
- {name: KC_CACHE_EMBEDDED_NETWORK_BIND_ADDRESS, value: $(POD_IP)}
- {name: KC_HTTP_ENABLED, value: "false"}
- {name: KC_HTTPS_CERTIFICATE_FILE, value: /etc/custos/tls/tls.crt}
- {name: KC_HTTPS_CERTIFICATE_KEY_FILE, value: /etc/custos/tls/tls.key}
- {name: KC_HTTPS_CERTIFICATES_RELOAD_PERIOD, value: 1m}
# Asked by the kubelet only: no certificate that ends may restart a server that works.
- {name: KC_HTTP_MANAGEMENT_SCHEME, value: http}
- {name: KC_HOSTNAME, value: {{ include "keycloak.hostname" . | quote }}}
# Clients in the cluster use the Service's name; tokens hold the public one all the same.
- {name: KC_HOSTNAME_BACKCHANNEL_DYNAMIC, value: "true"}
{{- with .Values.trustedProxies }}
- {name: KC_PROXY_HEADERS, value: xforwarded}
- {name: KC_PROXY_TRUSTED_ADDRESSES, value: {{ join "," . | quote }}}
{{- end }}
# Connections are told to end before the server does.
- {name: KC_SHUTDOWN_DELAY, value: 5s}
- {name: KC_SHUTDOWN_TIMEOUT, value: 15s}
- {name: KC_SPI_EVENTS_LISTENER__CUSTOS_ADMINISTRATOR__FOLDER, value: /etc/custos/admin}
- {name: KC_SPI_EVENTS_LISTENER__CUSTOS_OPENID_SCOPE__ACTIVE, value: {{ .Values.mends.openidScope | quote }}}
{{- if .Values.mends.unmanagedAttributes }}
- {name: KC_SPI_USER_PROFILE__DECLARATIVE_USER_PROFILE__CONFIG_FILE, value: /etc/custos/config/user-profile.json}
{{- end }}
# Beside the heap, Java takes about 250 MiB here.
- {name: JAVA_OPTS_KC_HEAP, value: "-XX:MaxRAMPercentage=60 -XX:InitialRAMPercentage=20"}
{{- end -}}

{{- /* keycloak.files: everything that is mounted from ConfigMaps; the pods roll where it changes. */ -}}
{{- define "keycloak.files" -}}
{{- include "keycloak.buildEnvironment" . }}
{{ .Files.Get "files/copy.sh" }}
{{ .Files.Get "files/wait.sh" }}
{{ .Files.Get "files/quarkus.properties" }}
{{ .Files.Get "files/user-profile.json" }}
{{ .Files.Get "files/keycloak-extension.jar" | b64enc }}
{{- end -}}

{{- /*
keycloak.checks: what `helm test` asks of the Service.
  context  the chart's context
*/ -}}
{{- define "keycloak.checks" -}}
- service: keycloak
  tcp: ["{{ include "common.host" (dict "context" .context "name" "keycloak") }}:443"]
  podPort: 8443
{{- end -}}

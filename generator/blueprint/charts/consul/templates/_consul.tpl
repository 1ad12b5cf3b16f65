{{- /* What more than one template of this chart says. */ -}}

{{- /* consul.statefulset: its name, which the names of the servers begin with. */ -}}
{{- define "consul.statefulset" -}}
{{- include "common.name" (dict "context" . "name" "consul" "max" 52) -}}
{{- end -}}

{{- /* consul.pods: the names of the servers' pods, a YAML list. */ -}}
{{- define "consul.pods" -}}
{{- range $ordinal := until (int .Values.replicas) }}
- {{ include "consul.statefulset" $ }}-{{ $ordinal }}
{{- end }}
{{- end -}}

{{- /*
consul.secrets: what the servers need from the Secrets Job.
  context  the chart's context
The gossip key and the tokens lie in the volumes too, but what the Secret says later is taken over; only where the management token is gone, nobody can.
*/ -}}
{{- define "consul.secrets" -}}
{{- $root := .context -}}
{{- $claims := list -}}
{{- range include "consul.pods" $root | fromYamlArray -}}
{{- $claims = append $claims (printf "data-%s" .) -}}
{{- end -}}
- name: {{ include "common.name" (dict "context" $root "name" "consul") }}
  keys:
    gossip-key: {base64: 32}
    {{- range $name, $policy := ($root.Files.Get "files/tokens.json" | fromJson).tokens }}
    {{ $name }}-token: {uuid: true}
    {{- end }}
  volumes:
    {{- toYaml $claims | nindent 4 }}
{{- $headless := include "common.host" (dict "context" $root "name" "consul" "dot" false) }}
- name: {{ include "common.name" (dict "context" $root "name" "consul-tls") }}
  certificate:
    authority: {{ include "common.name" (dict "context" $root "name" "ca") }}
    commonName: server.dc1.consul
    # The first says that its holder is a server of this data centre; no other certificate of the CA has it.
    dnsNames:
      - server.dc1.consul
      - localhost
      - {{ $headless }}
      - "*.{{ $headless }}"
{{- end -}}

{{- /*
consul.options: the servers' configuration, as JSON, without anything secret.
min_quorum: a dead server is struck off only once another has taken its place, so that the servers that count never become fewer by themselves.
*/ -}}
{{- define "consul.options" -}}
{{- $tls := "/etc/custos/tls" -}}
{{- dict
      "server" true
      "datacenter" "dc1"
      "data_dir" "/consul/data"
      "bootstrap_expect" (int .Values.replicas)
      "bind_addr" "0.0.0.0"
      "client_addr" "0.0.0.0"
      "ports" (dict "http" -1 "https" 8501 "dns" -1 "grpc" -1 "grpc_tls" -1 "serf_wan" -1)
      "retry_interval" "2s"
      "leave_on_terminate" false
      "rejoin_after_leave" true
      "disable_update_check" true
      "connect" (dict "enabled" false)
      "performance" (dict "raft_multiplier" (int .Values.raftMultiplier))
      "autopilot" (dict "cleanup_dead_servers" true "min_quorum" (int .Values.replicas) "last_contact_threshold" "1s" "server_stabilization_time" "5s")
      "acl" (dict "enabled" true "default_policy" "deny" "down_policy" "extend-cache")
      "tls" (dict
        "defaults" (dict "ca_file" (printf "%s/ca.crt" $tls) "cert_file" (printf "%s/tls.crt" $tls) "key_file" (printf "%s/tls.key" $tls)
          "verify_incoming" true "verify_outgoing" true "tls_min_version" "TLSv1_2")
        "https" (dict "verify_incoming" false)
        "internal_rpc" (dict "verify_server_hostname" true))
      "telemetry" (dict "disable_hostname" true)
    | toPrettyJson -}}
{{- end -}}

{{- /* consul.client: environment of the command line within a pod. */ -}}
{{- define "consul.client" -}}
- {name: CONSUL_CACERT, value: /etc/custos/tls/ca.crt}
- {name: CONSUL_HTTP_SSL, value: "true"}
{{- end -}}

{{- /*
consul.checks: what `helm test` asks of the Service.
  context  the chart's context
*/ -}}
{{- define "consul.checks" -}}
- service: consul
  tcp: ["{{ include "common.host" (dict "context" .context "name" "consul") }}:8501"]
{{- end -}}

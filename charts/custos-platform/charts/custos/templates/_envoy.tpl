{{- /*
custos.envoyConfiguration: what the gRPC-web proxy is given: one route for each gRPC service of its peers. It speaks plaintext; TLS is the front door's.
  context  the root context
  name     the proxy
  service  its facts
*/ -}}
{{- define "custos.envoyConfiguration" -}}
{{- $services := include "custos.services" .context | fromYaml -}}
admin:
  access_log_path: /dev/null
  address:
    socket_address: {address: 0.0.0.0, port_value: {{ .service.ports.admin }}}
static_resources:
  listeners:
    - name: grpc-web
      address:
        socket_address: {address: 0.0.0.0, port_value: {{ .service.ports.grpcweb }}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                codec_type: AUTO
                stat_prefix: grpc_web
                route_config:
                  name: services
                  virtual_hosts:
                    - name: services
                      domains: ["*"]
                      cors:
                        allow_origin_string_match: [{safe_regex: {google_re2: {}, regex: ".*"}}]
                        allow_methods: GET, PUT, DELETE, POST, OPTIONS
                        allow_headers: keep-alive,user-agent,cache-control,content-type,content-transfer-encoding,authorization,x-accept-content-transfer-encoding,x-accept-response-streaming,x-user-agent,x-grpc-web,grpc-timeout
                        expose_headers: grpc-status,grpc-message
                        max_age: "86400"
                      routes:
                        {{- range $peer := .service.peers }}
                        {{- range (get $services $peer.service | default dict).grpc }}
                        - match: {prefix: /{{ . }}/}
                          route: {cluster: {{ $peer.service }}, timeout: 60s}
                        {{- end }}
                        {{- end }}
                http_filters:
                  - name: envoy.filters.http.grpc_web
                  - name: envoy.filters.http.cors
                  - name: envoy.filters.http.router
  clusters:
    {{- range $peer := .service.peers }}
    {{- if hasKey $services $peer.service }}
    - name: {{ $peer.service }}
      type: STRICT_DNS
      dns_lookup_family: V4_ONLY
      connect_timeout: 2s
      http2_protocol_options: {}
      load_assignment:
        cluster_name: {{ $peer.service }}
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address:
                    socket_address:
                      address: {{ include "common.host" (dict "context" $.context "name" $peer.service) }}
                      port_value: {{ (get $services $peer.service).ports.grpc }}
    {{- end }}
    {{- end }}
{{- end -}}

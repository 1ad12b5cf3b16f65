{{- /*
platform.routes: every public route, a YAML list of
  name     of the route
  service  the Service, and `port` of it
  scheme   http, https, or h2c (gRPC)
  path     what the request's path begins with, as a whole segment
  strip    true where the service itself does not know the path
  grpc     true where gRPC-Web is spoken too
  operators  true where only the operators' networks may ask
Services that are off have none. A longer path wins over a shorter one.
  . the root context
*/ -}}
{{- define "platform.routes" -}}
{{- $routes := list -}}
{{- if .Values.custos.enabled -}}
{{- range $name, $service := include "custos.services" .Subcharts.custos | fromYaml -}}
{{- if $service.public -}}
{{- $of := dict "service" (include "common.name" (dict "context" $ "name" $name)) -}}
{{- with $service.rest -}}
{{- $port := default $service.ports.http (($service.sidecar | default dict).ports | default dict).rest -}}
{{- $routes = append $routes (merge (dict "name" $name "scheme" "http" "port" $port "path" .path "strip" .strip) $of) -}}
{{- end -}}
{{- range $grpc := $service.grpc -}}
{{- $routes = append $routes (merge (dict "name" (printf "%s-grpc" $name) "scheme" "h2c" "port" $service.ports.grpc "path" (printf "/%s" $grpc) "grpc" true) $of) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $keycloak := .Values.global.keycloak -}}
{{- if .Values.keycloak.enabled -}}
{{- $of := dict "service" (include "common.name" (dict "context" . "name" "keycloak")) "scheme" "https" "port" 443 -}}
{{- $routes = append $routes (merge (dict "name" "keycloak" "path" "/auth") $of) -}}
{{- range list "admin" "metrics" "health" -}}
{{- $routes = append $routes (merge (dict "name" (printf "keycloak-%s" (. | replace "/" "-")) "path" (printf "/auth/%s" .) "operators" true) $of) -}}
{{- end -}}
{{- end -}}
{{- toYaml $routes -}}
{{- end -}}

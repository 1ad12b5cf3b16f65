{{- /*
platform.routes: every public route, a YAML list of
  name     of the route
  service  the Service, and `port` of it
  pods     its pods, as a peer of common.networkPolicy, and their `podPort`
  scheme   http, https, or h2c (gRPC)
  path     what the request's path begins with, as a whole segment
  kind     rest, stripped (REST of a service that does not know the path itself), grpc (gRPC-Web, too), keycloak, or operators (only their
           networks may ask)
Services that are off have none. A longer path wins over a shorter one.
  . the root context
*/ -}}
{{- define "platform.routes" -}}
{{- $routes := list -}}
{{- if .Values.custos.enabled -}}
{{- range $name, $service := include "custos.services" .Subcharts.custos | fromYaml -}}
{{- if $service.public -}}
{{- $of := dict "service" (include "common.name" (dict "context" $ "name" $name)) "pods" (dict "chart" "custos" "component" $name) -}}
{{- with $service.rest -}}
{{- $port := include "custos.restPort" (dict "service" $service) | int -}}
{{- $routes = append $routes (merge (dict "name" $name "scheme" "http" "port" $port "podPort" $port "path" .path "kind" (ternary "stripped" "rest" .strip)) $of) -}}
{{- end -}}
{{- range $index, $grpc := $service.grpc -}}
{{- $own := printf "%s-grpc%s" $name (ternary "" (printf "-%d" $index) (eq $index 0)) -}}
{{- $routes = append $routes (merge (dict "name" $own "scheme" "h2c" "port" $service.ports.grpc "podPort" $service.ports.grpc "path" (printf "/%s" $grpc) "kind" "grpc") $of) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.keycloak.enabled -}}
{{- $of := dict "service" (include "common.name" (dict "context" . "name" "keycloak")) "pods" (dict "chart" "keycloak" "component" "server") "scheme" "https" "port" 443 "podPort" 8443 -}}
{{- $routes = append $routes (merge (dict "name" "keycloak" "path" "/auth" "kind" "keycloak") $of) -}}
{{- range list "admin" "metrics" "health" -}}
{{- $routes = append $routes (merge (dict "name" (printf "keycloak-%s" .) "path" (printf "/auth/%s" .) "kind" "operators") $of) -}}
{{- end -}}
{{- end -}}
{{- toYaml $routes -}}
{{- end -}}

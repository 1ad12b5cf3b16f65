{{- /*
platform.secrets: what the Secrets Job makes where it is missing, as a YAML list; its entries are described in files/make_secrets.py. Each subchart adds its
own by a template `<chart>.secrets`.
  . the root context
*/ -}}
{{- define "platform.secrets" -}}
{{- $authority := include "common.name" (dict "context" . "name" "ca") -}}
{{- $certificates := .Values.secrets.certificates -}}
{{- $wanted := list
      (dict "name" $authority "authority" (dict "commonName" (printf "%s internal CA" .Release.Name) "days" $certificates.authorityDays))
      (dict "name" (include "common.name" (dict "context" . "name" "truststore")) "truststore" (dict "authority" $authority)) -}}
{{- range $chart, $context := .Subcharts -}}
{{- if ne $chart "common" -}}
{{- range include (printf "%s.secrets" $chart) (dict "context" $context) | fromYamlArray -}}
{{- if .certificate -}}{{- $_ := set .certificate "days" (default $certificates.days .certificate.days) -}}{{- end -}}
{{- $wanted = append $wanted . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $wanted -}}
{{- end -}}

{{- /* platform.secrets.files: what the Secrets Jobs read, as lines of a ConfigMap's data. */ -}}
{{- define "platform.secrets.files" -}}
wanted.json: |
  {{- include "platform.secrets" . | fromYamlArray | toPrettyJson | nindent 2 }}
make_secrets.py: |
  {{- .Files.Get "files/make_secrets.py" | nindent 2 }}
{{- end -}}

{{- /*
platform.secrets.job: the spec of a Job that runs one of the scripts.
  context  the root context
  of       context, name, component, as in common.metadata; the name is also that of the ConfigMap and the ServiceAccount
  script   the file
*/ -}}
{{- define "platform.secrets.job" -}}
{{- $root := .context -}}
# A finding of the script (exit 2) is for people to mend; anything else may pass, like an API server that is just starting.
backoffLimit: 3
podFailurePolicy:
  rules:
    - action: FailJob
      onExitCodes: {containerName: secrets, operator: In, values: [2]}
activeDeadlineSeconds: 600
template:
  metadata:
    labels:
      {{- include "common.podLabels" .of | nindent 6 }}
  spec:
    {{- include "common.podDefaults" (dict "context" $root "serviceAccount" .of.name "token" true "uid" 1000) | nindent 4 }}
    restartPolicy: Never
    containers:
      - name: secrets
        image: {{ include "common.image" (dict "context" $root "image" $root.Values.global.toolbox.image) }}
        imagePullPolicy: {{ $root.Values.global.imagePullPolicy }}
        command: [python3, -u, /scripts/{{ .script }}]
        args: [/scripts/wanted.json]
        env:
          - name: NAMESPACE
            valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
          - {name: RELEASE, value: {{ $root.Release.Name }}}
          # The scripts' folder is read-only.
          - {name: PYTHONDONTWRITEBYTECODE, value: "1"}
        resources:
          {{- toYaml $root.Values.secrets.job.resources | nindent 10 }}
        securityContext:
          {{- include "common.containerSecurityContext" $root | nindent 10 }}
        volumeMounts:
          - {name: scripts, mountPath: /scripts, readOnly: true}
          # Keys pass through here while openssl signs: memory, not a disk.
          - {name: tmp, mountPath: /tmp}
    volumes:
      - name: scripts
        configMap:
          name: {{ include "common.name" .of }}
      - name: tmp
        emptyDir: {medium: Memory, sizeLimit: 16Mi}
{{- end -}}

{{- /* platform.hook: the annotations of what must be there before everything else, first its rights, then the Job. */ -}}
{{- define "platform.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

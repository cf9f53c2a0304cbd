// Version of the library; the addon and every result file carry it. Equals package.json's (a test compares them).
#pragma once

namespace xpcs {
inline constexpr const char* kVersion = "0.1.0";
}

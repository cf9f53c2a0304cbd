// A q-map without the pixels that a result names as blemishes. The result and the q-map that it came from stay as they are.
#pragma once
#include <cstddef>
#include <string>

namespace xpcs {

/// Writes the q-map that `result` holds (/xpcs/qmap) as the group /qmap of the file `out`, in pySimpleMask's layout, with the blemishes of
/// its /leverage masked: 0 in mask, blemish, dynamic_roi_map and static_roi_map, and another hash.
/// @return how many pixels were masked
/// @throws invalid_argument the result has no leverage table; already_exists; not_found; corrupt_data; io_failed
std::size_t patch_qmap(const std::string& result, const std::string& out, bool overwrite);

}  // namespace xpcs

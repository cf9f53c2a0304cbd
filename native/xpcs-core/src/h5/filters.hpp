// The filters of a chunked dataset, undone by us and on any thread: nothing here calls HDF5 once the pipeline is known.
#pragma once
#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace xpcs::h5 {

/// Buffers that one thread keeps between chunks.
struct FilterScratch {
  std::vector<std::uint8_t> a, b, block;
};

class FilterPipeline {
 public:
  /// The filters of a dataset; nothing where one of them is not among those that we undo (gzip, shuffle, Fletcher32, LZF,
  /// LZ4, bitshuffle): HDF5 must read such a dataset itself.
  static std::optional<FilterPipeline> of(hid_t creationList);

  /// Undoes the filters of one stored chunk into exactly out.size() bytes.
  /// @param skipped bit i set: filter i was not applied to this chunk
  /// @return empty when it is good, otherwise what is wrong with it
  [[nodiscard]] std::string decode(std::span<const std::uint8_t> stored, std::uint32_t skipped, std::span<std::uint8_t> out, FilterScratch& scratch) const;
  [[nodiscard]] bool empty() const noexcept { return steps_.empty(); }

 private:
  struct Step {
    H5Z_filter_t filter;
    std::vector<unsigned> values;
  };
  std::vector<Step> steps_;
};

/// Number and name of the first filter that neither we nor the installed HDF5 can undo; nothing when all can be undone.
std::optional<std::string> unreadable_filter(hid_t creationList);

/// Tells HDF5 about LZ4 and bitshuffle, for datasets that only it can assemble (virtual ones). Idempotent.
void register_chunk_filters();

}  // namespace xpcs::h5

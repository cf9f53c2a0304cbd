// Writes the bands of C2 into square, chunked datasets: compressed by the threads that take them, handed to HDF5 chunk by chunk, as
// they are. Chunks of zeros, such as those left of the diagonal, are never written (they read as 0), so the file holds half of the
// matrix at most.
#pragma once
#include <mutex>

#include "h5/h5.hpp"
#include "xpcs/analysis.hpp"

namespace xpcs {

class C2Writer {
 public:
  static constexpr std::uint64_t kChunk = 512;

  /// @param prefix of the datasets' paths @param numbers [bins] that follow it, in five digits
  C2Writer(const h5::File& file, std::string prefix, std::vector<std::uint32_t> numbers, Compression compression)
      : file_(file), prefix_(std::move(prefix)), numbers_(std::move(numbers)), compression_(compression) {}
  /// Makes the dataset where the band is the first of its bin. Returns the parts in which it is taken: chunks that are compressed by
  /// different threads, or all in one.
  std::size_t begin(const C2Band& band);
  void take(const C2Band& band, std::size_t part);

 private:
  void open(const C2Band& band);
  void write(const C2Band& band, std::size_t chunk, std::span<const unsigned char> bytes);

  const h5::File& file_;
  std::string prefix_;
  std::vector<std::uint32_t> numbers_;
  Compression compression_;
  h5::Handle data_{H5I_INVALID_HID, H5Dclose};
  std::string name_;
  std::mutex one_;  // thread in HDF5
};

}  // namespace xpcs

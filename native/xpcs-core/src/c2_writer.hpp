// Writes the bands of C2 into square, chunked datasets: compressed by several threads, handed to HDF5 chunk by chunk. Chunks
// left of the diagonal are never written (they read as 0), so the file holds about half of the matrix.
#pragma once
#include "h5/h5.hpp"
#include "xpcs/analysis.hpp"

namespace xpcs {

class C2Writer {
 public:
  /// Rows of a band must be those of a chunk, or end the matrix.
  static constexpr std::uint64_t kChunk = 512;

  /// @param prefix of the datasets' paths @param numbers [bins] that follow it, in five digits
  C2Writer(const h5::File& file, std::string prefix, std::vector<std::uint32_t> numbers, Compression compression, unsigned threads)
      : file_(file), prefix_(std::move(prefix)), numbers_(std::move(numbers)), compression_(compression), threads_(threads) {}
  void take(const C2Band& band);
  /// Seconds spent here.
  [[nodiscard]] double seconds() const noexcept { return seconds_; }

 private:
  void open(const C2Band& band);
  void write(const C2Band& band);

  const h5::File& file_;
  std::string prefix_;
  std::vector<std::uint32_t> numbers_;
  Compression compression_;
  unsigned threads_;
  h5::Handle data_{H5I_INVALID_HID, H5Dclose};
  std::string name_;
  std::uint64_t chunk_ = 0;
  double seconds_ = 0;
};

}  // namespace xpcs

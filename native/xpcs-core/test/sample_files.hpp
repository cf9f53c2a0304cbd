// Small detector files made in memory or on disk: one writer per format, for the tests and as seeds of the fuzz targets.
#pragma once
#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "xpcs/frame_reader.hpp"

namespace xpcs::samples {

using Bytes = std::vector<std::byte>;

template <class T>
void put(Bytes& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <class T>
void append(Bytes& bytes, T value) {
  bytes.resize(bytes.size() + sizeof value);
  put(bytes, bytes.size() - sizeof value, value);
}

/// How frames of 4 x 5 pixels are read.
ReaderOptions small_detector();

/// Appends an IMM frame of a 4 x 5 detector.
void append_imm(Bytes& bytes, bool sparse, const std::vector<std::uint32_t>& pixels, const std::vector<std::int16_t>& counts, double elapsedS);
/// Three sparse frames of a 4 x 5 detector, the second empty.
Bytes sparse_imm();

std::uint64_t rigaku_word(std::uint64_t frame, std::uint64_t pixel, std::uint64_t count);
std::uint32_t ufxc_word(std::uint32_t counter, std::uint32_t pixel, std::uint32_t count);

enum class Filter { none, gzip, shuffle_gzip, fletcher, lz4, bitshuffle, bitshuffle_lz4 };

/// Bytes of one chunk as the LZ4 or bitshuffle filter stores them.
std::vector<std::uint8_t> lz4_chunk(const std::uint8_t* data, std::size_t bytes, std::size_t blockBytes);
std::vector<std::uint8_t> bitshuffle_chunk(const std::uint8_t* data, std::size_t bytes, std::size_t elementBytes, std::size_t blockElements, bool lz4);

struct Hdf5Sample {
  std::string path;
  std::string dataset = "/entry/data/data";
  hid_t type = H5T_NATIVE_UINT16;
  std::size_t wordBytes = 2;
  hsize_t shape[3] = {1, 4, 5};
  hsize_t chunk[3] = {1, 4, 5};  ///< first 0: contiguous
  Filter filter = Filter::none;
  std::vector<hsize_t> leaveOut{};  ///< first frames of chunks that are never written
  std::uint32_t fill = 0;
};

/// Writes frames; makes the file, or adds the dataset to one that is there.
void write_hdf5(const Hdf5Sample& sample, const void* words);

}  // namespace xpcs::samples

#include "c2_writer.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace xpcs {
namespace {

constexpr int kGzipLevel = 4;

/// Byte k of every value together, as HDF5's shuffle filter does.
void shuffle(std::span<const float> values, std::vector<unsigned char>& out) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  const std::size_t n = values.size();
  out.resize(n * sizeof(float));
  for (std::size_t k = 0; k < sizeof(float); ++k) {
    for (std::size_t i = 0; i < n; ++i) out[k * n + i] = bytes[i * sizeof(float) + k];
  }
}

bool nothing_in(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return value == 0.0F; });
}

std::vector<unsigned char> deflated(std::span<const float> values) {
  std::vector<unsigned char> plain;
  shuffle(values, plain);
  uLongf size = compressBound(plain.size());
  std::vector<unsigned char> out(size);
  if (compress2(out.data(), &size, plain.data(), plain.size(), kGzipLevel) != Z_OK) throw Error(Code::internal, "zlib could not compress a chunk of C2");
  out.resize(size);
  return out;
}

}  // namespace

std::size_t C2Writer::begin(const C2Band& band) {
  if (band.firstRow == 0) open(band);
  return compression_ == Compression::gzip ? band.chunks() : 1;
}

void C2Writer::take(const C2Band& band, std::size_t part) {
  if (compression_ == Compression::gzip) {
    const auto values = band.values_of(part);
    if (!nothing_in(values)) write(band, part, deflated(values));
    return;
  }
  for (std::size_t chunk = 0; chunk < band.chunks(); ++chunk) {
    const auto values = band.values_of(chunk);
    if (!nothing_in(values)) write(band, chunk, {reinterpret_cast<const unsigned char*>(values.data()), values.size_bytes()});
  }
}

void C2Writer::open(const C2Band& band) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%05u", numbers_[band.bin]);
  name_ = prefix_ + digits;
  const hsize_t shape[2] = {band.frames, band.frames};
  const hsize_t chunk[2] = {band.chunk, band.chunk};
  const h5::Handle space(H5Screate_simple(2, shape, nullptr), H5Sclose);
  const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.id(), 1);
  const h5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_chunk(creation.id(), 2, chunk);
  if (compression_ == Compression::gzip) {
    H5Pset_shuffle(creation.id());
    H5Pset_deflate(creation.id(), kGzipLevel);
  }
  data_ = h5::Handle(H5Dcreate2(file_.id(), name_.c_str(), H5T_IEEE_F32LE, space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
  if (!data_.ok()) throw Error(Code::io_failed, "cannot make " + name_ + " in " + file_.path());
}

void C2Writer::write(const C2Band& band, std::size_t chunk, std::span<const unsigned char> bytes) {
  const hsize_t at[2] = {band.firstRow, band.firstRow + chunk * band.chunk};
  const std::scoped_lock lock(one_);
  if (H5Dwrite_chunk(data_.id(), H5P_DEFAULT, 0, at, bytes.size(), bytes.data()) < 0) {
    throw Error(Code::io_failed, "cannot write " + name_ + " into " + file_.path() + " (disk full?)");
  }
}

}  // namespace xpcs

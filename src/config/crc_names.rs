//! Cyclic redundancy checks by their names in the [catalogue of parametrised CRC algorithms](https://reveng.sourceforge.io/crc-catalogue/all.htm), as the
//! `crc` crate has them, and by the other names that manuals use.

use crc::Algorithm;

const CRC_8: [(&str, &Algorithm<u8>); 20] = [
    ("CRC-8/AUTOSAR", &crc::CRC_8_AUTOSAR),
    ("CRC-8/BLUETOOTH", &crc::CRC_8_BLUETOOTH),
    ("CRC-8/CDMA2000", &crc::CRC_8_CDMA2000),
    ("CRC-8/DARC", &crc::CRC_8_DARC),
    ("CRC-8/DVB-S2", &crc::CRC_8_DVB_S2),
    ("CRC-8/GSM-A", &crc::CRC_8_GSM_A),
    ("CRC-8/GSM-B", &crc::CRC_8_GSM_B),
    ("CRC-8/HITAG", &crc::CRC_8_HITAG),
    ("CRC-8/I-432-1", &crc::CRC_8_I_432_1),
    ("CRC-8/I-CODE", &crc::CRC_8_I_CODE),
    ("CRC-8/LTE", &crc::CRC_8_LTE),
    ("CRC-8/MAXIM-DOW", &crc::CRC_8_MAXIM_DOW),
    ("CRC-8/MIFARE-MAD", &crc::CRC_8_MIFARE_MAD),
    ("CRC-8/NRSC-5", &crc::CRC_8_NRSC_5),
    ("CRC-8/OPENSAFETY", &crc::CRC_8_OPENSAFETY),
    ("CRC-8/ROHC", &crc::CRC_8_ROHC),
    ("CRC-8/SAE-J1850", &crc::CRC_8_SAE_J1850),
    ("CRC-8/SMBUS", &crc::CRC_8_SMBUS),
    ("CRC-8/TECH-3250", &crc::CRC_8_TECH_3250),
    ("CRC-8/WCDMA", &crc::CRC_8_WCDMA),
];

const CRC_16: [(&str, &Algorithm<u16>); 31] = [
    ("CRC-16/ARC", &crc::CRC_16_ARC),
    ("CRC-16/CDMA2000", &crc::CRC_16_CDMA2000),
    ("CRC-16/CMS", &crc::CRC_16_CMS),
    ("CRC-16/DDS-110", &crc::CRC_16_DDS_110),
    ("CRC-16/DECT-R", &crc::CRC_16_DECT_R),
    ("CRC-16/DECT-X", &crc::CRC_16_DECT_X),
    ("CRC-16/DNP", &crc::CRC_16_DNP),
    ("CRC-16/EN-13757", &crc::CRC_16_EN_13757),
    ("CRC-16/GENIBUS", &crc::CRC_16_GENIBUS),
    ("CRC-16/GSM", &crc::CRC_16_GSM),
    ("CRC-16/IBM-3740", &crc::CRC_16_IBM_3740),
    ("CRC-16/IBM-SDLC", &crc::CRC_16_IBM_SDLC),
    ("CRC-16/ISO-IEC-14443-3-A", &crc::CRC_16_ISO_IEC_14443_3_A),
    ("CRC-16/KERMIT", &crc::CRC_16_KERMIT),
    ("CRC-16/LJ1200", &crc::CRC_16_LJ1200),
    ("CRC-16/M17", &crc::CRC_16_M17),
    ("CRC-16/MAXIM-DOW", &crc::CRC_16_MAXIM_DOW),
    ("CRC-16/MCRF4XX", &crc::CRC_16_MCRF4XX),
    ("CRC-16/MODBUS", &crc::CRC_16_MODBUS),
    ("CRC-16/NRSC-5", &crc::CRC_16_NRSC_5),
    ("CRC-16/OPENSAFETY-A", &crc::CRC_16_OPENSAFETY_A),
    ("CRC-16/OPENSAFETY-B", &crc::CRC_16_OPENSAFETY_B),
    ("CRC-16/PROFIBUS", &crc::CRC_16_PROFIBUS),
    ("CRC-16/RIELLO", &crc::CRC_16_RIELLO),
    ("CRC-16/SPI-FUJITSU", &crc::CRC_16_SPI_FUJITSU),
    ("CRC-16/T10-DIF", &crc::CRC_16_T10_DIF),
    ("CRC-16/TELEDISK", &crc::CRC_16_TELEDISK),
    ("CRC-16/TMS37157", &crc::CRC_16_TMS37157),
    ("CRC-16/UMTS", &crc::CRC_16_UMTS),
    ("CRC-16/USB", &crc::CRC_16_USB),
    ("CRC-16/XMODEM", &crc::CRC_16_XMODEM),
];

const CRC_32: [(&str, &Algorithm<u32>); 12] = [
    ("CRC-32/AIXM", &crc::CRC_32_AIXM),
    ("CRC-32/AUTOSAR", &crc::CRC_32_AUTOSAR),
    ("CRC-32/BASE91-D", &crc::CRC_32_BASE91_D),
    ("CRC-32/BZIP2", &crc::CRC_32_BZIP2),
    ("CRC-32/CD-ROM-EDC", &crc::CRC_32_CD_ROM_EDC),
    ("CRC-32/CKSUM", &crc::CRC_32_CKSUM),
    ("CRC-32/ISCSI", &crc::CRC_32_ISCSI),
    ("CRC-32/ISO-HDLC", &crc::CRC_32_ISO_HDLC),
    ("CRC-32/JAMCRC", &crc::CRC_32_JAMCRC),
    ("CRC-32/MEF", &crc::CRC_32_MEF),
    ("CRC-32/MPEG-2", &crc::CRC_32_MPEG_2),
    ("CRC-32/XFER", &crc::CRC_32_XFER),
];

/// Names that manuals give to some of them.
const ALIASES: [(&str, &str); 12] = [
    ("CRC-8", "CRC-8/SMBUS"),
    ("CRC-8/MAXIM", "CRC-8/MAXIM-DOW"),
    ("CRC-16", "CRC-16/ARC"),
    ("CRC-16/CCITT", "CRC-16/KERMIT"),
    ("CRC-16/CCITT-FALSE", "CRC-16/IBM-3740"),
    ("CRC-16/X-25", "CRC-16/IBM-SDLC"),
    ("CRC-16/MAXIM", "CRC-16/MAXIM-DOW"),
    ("CRC-16/BUYPASS", "CRC-16/UMTS"),
    ("MODBUS", "CRC-16/MODBUS"),
    ("CRC-32", "CRC-32/ISO-HDLC"),
    ("CRC-32C", "CRC-32/ISCSI"),
    ("CRC-32/MPEG2", "CRC-32/MPEG-2"),
];

/// One of the catalogue's of 8, 16 or 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crc {
    Of8(&'static Algorithm<u8>),
    Of16(&'static Algorithm<u16>),
    Of32(&'static Algorithm<u32>),
}

/// The check of this name, whatever the case of its letters.
pub fn find(name: &str) -> Option<Crc> {
    let name = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map_or(name, |(_, name)| name);
    let is_it = |known: &str| known.eq_ignore_ascii_case(name);
    let of_8 = CRC_8.iter().find(|(known, _)| is_it(known)).map(|(_, crc)| Crc::Of8(crc));
    let of_16 = || CRC_16.iter().find(|(known, _)| is_it(known)).map(|(_, crc)| Crc::Of16(crc));
    let of_32 = || CRC_32.iter().find(|(known, _)| is_it(known)).map(|(_, crc)| Crc::Of32(crc));
    of_8.or_else(of_16).or_else(of_32)
}

/// All names, the catalogue's and the others.
pub fn names() -> impl Iterator<Item = &'static str> {
    let of_8 = CRC_8.iter().map(|(name, _)| *name);
    let of_16 = CRC_16.iter().map(|(name, _)| *name);
    let of_32 = CRC_32.iter().map(|(name, _)| *name);
    of_8.chain(of_16).chain(of_32).chain(ALIASES.iter().map(|(alias, _)| *alias))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_is_its_own() {
        assert!(names().all(|name| find(name).is_some() && find(&name.to_lowercase()) == find(name)));
        let Some(Crc::Of16(modbus)) = find("crc-16/modbus") else { panic!("of 16 bits") };
        assert_eq!((modbus.check, find("Modbus"), find("CRC-16/NOPE")), (0x4b37, find("CRC-16/MODBUS"), None));
        let mut own: Vec<&str> = names().collect();
        own.sort_unstable();
        own.dedup();
        assert_eq!(own.len(), names().count());
    }
}
